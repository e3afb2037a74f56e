//! Ticket keys that all machines share, so that a session that began at one resumes at another.
//!
//! A key seals for six hours and opens for six more. Invariant: a key seals only after every machine had the time to read
//! it, unless there is no other.

use tls::TicketKey;

use super::{Certificates, Error};
use db::tickets::TicketKeyRow;

/// How long a key seals, in seconds: what rustls's own rotation takes.
const SEALS_S: i64 = 6 * 3600;

/// How long a key is kept: it seals, then opens what it sealed last.
const KEPT_S: i64 = 2 * SEALS_S;

impl Certificates {
    /// Reads the shared keys, adding one when the newest is old.
    pub(super) async fn share_tickets(&self) -> Result<(), Error> {
        let Some(storage) = &self.0.storage else { return Ok(()) };
        let mut rows = self.0.database.ticket_keys().await?;
        if rows.first().is_none_or(|newest| newest.age_s >= SEALS_S) {
            let key = TicketKey::generate()?;
            let sealed = storage.seal(&purpose(key.name()), key.secret())?;
            self.0.database.add_ticket_key(key.name(), &sealed, SEALS_S, KEPT_S).await?;
            rows = self.0.database.ticket_keys().await?;
        }
        let keys: Result<Vec<TicketKey>, Error> = in_order(rows, i64::from(self.0.config.poll_s))
            .iter()
            .map(|row| {
                let secret = storage.open(&purpose(&row.name), &row.sealed_key)?;
                Ok(TicketKey::from_parts(&row.name, &secret).ok_or(tls::Error::StorageKey)?)
            })
            .collect();
        self.0.tickets.set(&keys?);
        Ok(())
    }

    /// Without shared keys this machine's own rotate: a new one seals, the last one opens.
    pub(super) fn rotate_own_tickets(&self) -> Result<(), Error> {
        let last = self.0.tickets.keys().first().cloned();
        let keys: Vec<TicketKey> = [TicketKey::generate()?].into_iter().chain(last).collect();
        self.0.tickets.set(&keys);
        Ok(())
    }

    /// How long one of this machine's own keys seals, in seconds.
    pub(super) const OWN_TICKETS_S: u64 = SEALS_S.unsigned_abs();
}

fn purpose(name: &[u8]) -> String {
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ticket_keys {name}")
}

/// The key that seals comes first: the newest that two polls have passed over, or the oldest where none is that old.
fn in_order(mut rows: Vec<TicketKeyRow>, poll_s: i64) -> Vec<TicketKeyRow> {
    rows.retain(|row| row.age_s < KEPT_S);
    let settled = rows.iter().position(|row| row.age_s >= 2 * poll_s);
    let seals = settled.or(rows.len().checked_sub(1));
    if let Some(seals) = seals {
        rows[..=seals].rotate_right(1);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ages(ages_s: &[i64]) -> Vec<i64> {
        let row = |age_s: &i64| TicketKeyRow { name: Vec::new(), sealed_key: Vec::new(), age_s: *age_s };
        in_order(ages_s.iter().map(row).collect(), 15).iter().map(|row| row.age_s).collect()
    }

    #[test]
    fn a_key_seals_when_every_machine_has_read_it() {
        assert_eq!(ages(&[5, 21_600]), [21_600, 5]);
        assert_eq!(ages(&[30, 21_600]), [30, 21_600]);
        assert_eq!(ages(&[5]), [5]);
        assert_eq!(ages(&[1, 5]), [5, 1]);
        assert_eq!(ages(&[40, 21_600, 43_200]), [40, 21_600]);
        assert!(ages(&[]).is_empty());
    }
}
