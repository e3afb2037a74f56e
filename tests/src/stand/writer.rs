//! Visitors who post row after row and remember which were acknowledged.
//!
//! Invariant: a row counts as acknowledged only when its whole answer arrived over verified HTTPS.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http::StatusCode;
use image::wait::{Status, wait_until};

use crate::page::Form;
use crate::{Client, Visitor, unique};

/// Two at once: one row is in flight in MySQL while another is on its way.
const WRITERS: usize = 2;
/// For the first acknowledgement on an emulated machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Writers at work.
pub struct Writer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    client: Client,
    visitor: Visitor,
    form: Form,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<String>>,
}

impl Writer {
    /// Sets visitors to work.
    ///
    /// # Errors
    /// When nobody can register or write.
    pub fn start(client: &Client) -> Result<Self> {
        let visitor = client.visitor()?;
        let form = visitor.post_form(client)?;
        let shared = Arc::new(Shared {
            client: client.clone(),
            visitor,
            form,
            stop: AtomicBool::new(false),
            acknowledged: Mutex::default(),
        });
        let thread = |_| {
            std::thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.write()
            })
        };
        let threads = (0..WRITERS).map(thread).collect();
        Ok(Self { shared, threads })
    }

    /// Waits until at least `count` rows were acknowledged.
    ///
    /// # Errors
    /// When they are not within a minute.
    pub fn wait_for(&self, count: usize) -> Result<()> {
        wait_until(DEADLINE, &format!("{count} acknowledged rows"), || {
            let seen = self.shared.acknowledged().len();
            Ok(if seen >= count { Status::Reached(()) } else { Status::Pending(format!("{seen}")) })
        })
    }

    /// Stops the visitors and returns the acknowledged rows, in the order of their acknowledgement.
    ///
    /// # Errors
    /// When a visitor panicked.
    pub fn stop(self) -> Result<Vec<String>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a writer panicked"))?;
        }
        Ok(self.shared.acknowledged().clone())
    }
}

impl Shared {
    fn write(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let word = unique::word("row");
            if self.post(&word).is_ok() {
                self.acknowledged().push(word);
            }
        }
    }

    fn post(&self, word: &str) -> Result<()> {
        let request = self.form.filled(&self.client.endpoint().host, word);
        let request = self.visitor.signed(request);
        self.client.send(&request)?.expect(StatusCode::SEE_OTHER).map(drop).context("post")
    }

    fn acknowledged(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
