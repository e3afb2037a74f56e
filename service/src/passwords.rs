//! Passwords: argon2id, one at a time, on a thread of its own.
//!
//! The site's one thread goes on answering while a password is hashed, and however many people sign in at once, hashing
//! takes one processor and [`MEMORY_KIB`] of memory. Invariant: a name that does not exist costs what a wrong password
//! costs, and a password is never logged.

mod phc;

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;

use phc::Hash;

/// OWASP's password storage cheat sheet lists pairs of memory and passes that cost an attacker the same; this one takes
/// a tenth of a machine of 128 MiB.
const MEMORY_KIB: u32 = 12 * 1024;
const PASSES: u32 = 3;
/// More lanes would only take turns on one processor.
const LANES: u32 = 1;
/// argon2 keeps a few KiB there, beside its memory on the heap. A machine keeps memory back for so much
/// (`image/kernel/files/src/mm/reserve.rs`).
const STACK_BYTES: usize = 128 << 10;
/// More cannot wait for a hash: at about 50 ms each, a person would wait longer than a second.
const WAITING: usize = 16;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many are waiting. It may work in a moment.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The machine gives no random numbers.
    #[error("no entropy for a salt")]
    Entropy(#[from] getrandom::Error),
}

/// Hands passwords to the thread. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Passwords(Arc<OnceLock<SyncSender<Job>>>);

#[derive(Debug)]
struct Job {
    password: String,
    hash: Hash,
    answer: oneshot::Sender<[u8; phc::HASH_BYTES]>,
}

impl Passwords {
    /// A new password's hash with a salt of its own, in PHC's string format.
    ///
    /// # Errors
    /// When too many wait, or there is no entropy.
    pub async fn hash(&self, password: &str) -> Result<String, Error> {
        let mut hash = Hash::blank(MEMORY_KIB, PASSES, LANES);
        getrandom::fill(&mut hash.salt)?;
        hash.output = self.compute(password, hash.clone()).await?;
        Ok(hash.to_string())
    }

    /// Whether this is the password that `stored` was made of. `None` is never right, and takes as long.
    ///
    /// # Errors
    /// When too many wait.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, Error> {
        let stored = stored.and_then(Hash::parse);
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| Hash::blank(MEMORY_KIB, PASSES, LANES));
        let computed = self.compute(password, stored.clone()).await?;
        Ok(bool::from(computed.ct_eq(&stored.output)) && known)
    }

    async fn compute(&self, password: &str, hash: Hash) -> Result<[u8; phc::HASH_BYTES], Error> {
        let (answer, computed) = oneshot::channel();
        let job = Job { password: password.to_owned(), hash, answer };
        match self.0.get_or_init(start).try_send(job) {
            Ok(()) => computed.await.map_err(|_| Error::Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Error::Busy),
        }
    }
}

/// The thread ends when the last handle is dropped. One that does not start takes no job: everybody is told to come again.
fn start() -> SyncSender<Job> {
    let (sender, jobs) = sync_channel(WAITING);
    let hashing = std::thread::Builder::new().name("passwords".to_owned()).stack_size(STACK_BYTES);
    if let Err(error) = hashing.spawn(move || work(&jobs)) {
        tracing::error!(%error, "no thread hashes passwords");
    }
    sender
}

/// The memory is taken once and used again: a machine that signs in a thousand people is no fuller than before. While
/// it is not to be had, those who sign in are told to come again.
fn work(jobs: &Receiver<Job>) {
    let mut memory = Vec::new();
    for job in jobs {
        // Who has gone away since need not be answered.
        if job.answer.is_closed() || !provide(&mut memory) {
            continue;
        }
        if let Some(output) = compute(&job, &mut memory) {
            // Gone away just now.
            let _ = job.answer.send(output);
        }
    }
}

/// Takes the memory, unless it was taken before. False if it is not to be had now.
fn provide(memory: &mut Vec<Block>) -> bool {
    let blocks = MEMORY_KIB as usize;
    let is_there = memory.try_reserve_exact(blocks - memory.len()).is_ok();
    if is_there {
        memory.resize(blocks, Block::new());
    }
    is_there
}

/// `None`: a stored hash that asks for more memory than there is, or a password beyond argon2's 4 GiB.
fn compute(job: &Job, memory: &mut [Block]) -> Option<[u8; phc::HASH_BYTES]> {
    let Hash { memory_kib, passes, lanes, salt, .. } = &job.hash;
    let params = Params::new(*memory_kib, *passes, *lanes, Some(phc::HASH_BYTES)).ok()?;
    let memory = memory.get_mut(..params.block_count())?;
    let mut output = [0; phc::HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(job.password.as_bytes(), salt, &mut output, memory).ok()?;
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_taken_once() {
        let mut memory = Vec::new();
        assert!(provide(&mut memory));
        assert!(provide(&mut memory));
        assert_eq!([memory.len(), memory.capacity()], [MEMORY_KIB as usize; 2]);
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{stored}");
        assert!(passwords.verify("correct horse", Some(&stored)).await.unwrap());
        for wrong in ["correct hors", "correct horse ", "Correct horse", ""] {
            assert!(!passwords.verify(wrong, Some(&stored)).await.unwrap(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn nothing_is_right_for_nobody() {
        let passwords = Passwords::default();
        assert!(!passwords.verify("anything", None).await.unwrap());
        assert!(!passwords.verify("anything", Some("!")).await.unwrap());
    }

    #[tokio::test]
    async fn equal_passwords_have_different_hashes() {
        let passwords = Passwords::default();
        assert_ne!(passwords.hash("same").await.unwrap(), passwords.hash("same").await.unwrap());
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away_instead_of_queued_without_end() {
        let passwords = Passwords::default();
        let crowd = (0..3 * WAITING).map(|_| {
            let passwords = passwords.clone();
            async move { passwords.verify("x", None).await }
        });
        let tasks: Vec<_> = crowd.map(tokio::spawn).collect();
        let mut busy = 0;
        for task in tasks {
            busy += usize::from(task.await.unwrap().is_err());
        }
        // One is at work, so many wait; at most a few were done while the crowd arrived.
        assert!((1..=2 * WAITING).contains(&busy), "{busy} were turned away");
    }
}
