//! Session tickets whose keys come from outside, so that several machines can share them.
//!
//! A ticket opens the session that it was made for: whoever has its key can read recorded TLS 1.2 traffic, so keys are
//! few, short-lived and gone when they are over. This type neither makes nor expires them: its caller replaces the list.
//! Invariant: a ticket is sealed by the key that is first in the list and opened by any key in it, or by none.

use std::sync::{Arc, PoisonError, RwLock};

use graviola::aead::XChaCha20Poly1305;
use rustls::server::ProducesTickets;

use crate::Error;

/// The key's name comes first in a ticket; it is public.
const NAME: usize = 16;
const NONCE: usize = 24;
const TAG: usize = 16;

/// More than rustls puts into a ticket (about 100 bytes with TLS 1.3): anything longer was not made here.
const TICKET_MAX: usize = 4096;

/// How long a client may come back with a ticket, in seconds: six hours, a sitting or two. Longer would only keep keys.
pub(crate) const LIFETIME_S: u32 = 6 * 3600;

/// One key that seals and opens tickets.
#[derive(Clone)]
pub struct TicketKey {
    name: [u8; NAME],
    key: [u8; 32],
}

impl TicketKey {
    /// A new random key.
    ///
    /// # Errors
    /// When no randomness can be had.
    pub fn generate() -> Result<Self, Error> {
        let mut made = Self { name: [0; NAME], key: [0; 32] };
        graviola::random::fill(&mut made.name).map_err(|_| Error::Random)?;
        graviola::random::fill(&mut made.key).map_err(|_| Error::Random)?;
        Ok(made)
    }

    /// A key that was made elsewhere; `None` when the lengths are wrong.
    pub fn from_parts(name: &[u8], key: &[u8]) -> Option<Self> {
        Some(Self { name: name.try_into().ok()?, key: key.try_into().ok()? })
    }

    /// Its public name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The secret, to be sealed.
    pub fn secret(&self) -> &[u8] {
        &self.key
    }
}

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TicketKey")
    }
}

/// The ticket keys that a server has now. Clones share them.
#[derive(Clone, Debug)]
pub struct Tickets(Arc<RwLock<Arc<[TicketKey]>>>);

impl Tickets {
    /// Begins with one key of this machine's own, until others are [`set`](Self::set).
    ///
    /// # Errors
    /// When no randomness can be had.
    pub fn new() -> Result<Self, Error> {
        Ok(Self(Arc::new(RwLock::new([TicketKey::generate()?].into()))))
    }

    /// Replaces all keys. The first seals. An empty list stops resumption.
    pub fn set(&self, keys: &[TicketKey]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// The keys, the one that seals first.
    pub fn keys(&self) -> Arc<[TicketKey]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_S
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys();
        let key = keys.first()?;
        let mut nonce = [0; NONCE];
        graviola::random::fill(&mut nonce).ok()?;
        let mut ticket = Vec::with_capacity(NAME + NONCE + plain.len() + TAG);
        ticket.extend(key.name);
        ticket.extend(nonce);
        ticket.extend(plain);
        let mut tag = [0; TAG];
        XChaCha20Poly1305::new(key.key).encrypt(&nonce, &key.name, &mut ticket[NAME + NONCE..], &mut tag);
        ticket.extend(tag);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_MAX {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        let (sealed, tag) = rest.split_last_chunk::<TAG>()?;
        let keys = self.keys();
        let key = keys.iter().find(|key| key.name == *name)?;
        let mut plain = sealed.to_vec();
        XChaCha20Poly1305::new(key.key).decrypt(nonce, name, &mut plain, tag).ok()?;
        Some(plain)
    }
}
