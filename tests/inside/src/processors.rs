//! All processors are used, by threads and by the tasks of one runtime.
//!
//! Whoever takes part waits for the others without giving its processor away: where two share one, a meeting costs a
//! turn of a thread. Invariant: no claim depends on how fast a processor is, only on how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Verdict, ensure};

/// How many processors the machine was given, as its boot arguments say.
const GIVEN: &str = "PROCESSORS";
const MEETINGS: usize = 3_000;
/// Two that share a processor take longer, with turns of ten milliseconds; two processors that share a busy host's do not.
const TOGETHER: Duration = Duration::from_secs(25);

pub(crate) fn there_are_as_many_as_were_given() -> Verdict {
    let Ok(given) = std::env::var(GIVEN) else { return Ok(()) };
    ensure(given == count().to_string(), || format!("{} instead of {given}", count()))
}

pub(crate) fn threads_compute_at_the_same_time() -> Verdict {
    let meeting = Meeting::new(count());
    let threads: Vec<_> = (0..count())
        .map(|_| {
            let meeting = Arc::clone(&meeting);
            thread::spawn(move || meeting.attend())
        })
        .collect();
    let together = threads.into_iter().all(|thread| thread.join().is_ok_and(|together| together));
    ensure(together, || meeting.story())
}

pub(crate) fn tasks_of_one_runtime_compute_at_the_same_time() -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(count())
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let meeting = Meeting::new(count());
    let together = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..count() {
            let meeting = Arc::clone(&meeting);
            tasks.spawn(async move { meeting.attend() });
        }
        tasks.join_all().await.into_iter().all(|together| together)
    });
    ensure(together, || meeting.story())
}

fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// So many meet again and again.
struct Meeting {
    members: usize,
    arrivals: AtomicUsize,
}

impl Meeting {
    fn new(members: usize) -> Arc<Self> {
        Arc::new(Self { members, arrivals: AtomicUsize::new(0) })
    }

    /// Takes part in every meeting. False if they take too long.
    fn attend(&self) -> bool {
        let end = Instant::now() + TOGETHER;
        (1..=MEETINGS).all(|meeting| {
            self.arrivals.fetch_add(1, Ordering::SeqCst);
            while self.arrivals.load(Ordering::SeqCst) < meeting * self.members {
                if Instant::now() > end {
                    return false;
                }
                std::hint::spin_loop();
            }
            true
        })
    }

    fn story(&self) -> String {
        let held = self.arrivals.load(Ordering::SeqCst) / self.members;
        format!("{} met {held} times of {MEETINGS} within {TOGETHER:?}", self.members)
    }
}
