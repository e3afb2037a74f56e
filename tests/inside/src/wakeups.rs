//! Every wake-up arrives: between threads, from threads to a runtime that polls, and at the moment of a timeout.
//!
//! A lost one shows as a program that does not go on. Invariant: nothing here waits with a timeout that would hide that.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::{Verdict, ensure, runtime};

/// As the service hashes passwords: a question through a channel of threads, the answer through one of tasks.
pub(crate) fn a_thread_and_a_runtime_wake_each_other() -> Verdict {
    const ROUNDS: u32 = 10_000;
    let (ask, questions) = sync_channel::<(u32, oneshot::Sender<u32>)>(1);
    let thread = thread::spawn(move || {
        for (number, answer) in questions {
            // The other end waits for nothing else.
            let _ = answer.send(number + 1);
        }
    });
    let outcome = runtime()?.block_on(async {
        for round in 0..ROUNDS {
            let (answer, answered) = oneshot::channel();
            ask.send((round, answer)).map_err(|_| "the thread is gone".to_owned())?;
            let got = answered.await.map_err(|_| "the thread gave no answer".to_owned())?;
            ensure(got == round + 1, || format!("{got} is the answer to another question than {round}"))?;
        }
        Ok(())
    });
    drop(ask);
    thread.join().map_err(|_| "the thread panicked".to_owned())?;
    outcome
}

pub(crate) fn many_threads_wake_one_runtime() -> Verdict {
    const THREADS: u32 = 8;
    const EACH: u32 = 2_000;
    let (sender, mut receiver) = mpsc::channel(1);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || (0..EACH).all(|number| sender.blocking_send(number).is_ok()))
        })
        .collect();
    drop(sender);
    let mut sum = 0;
    runtime()?.block_on(async {
        while let Some(number) = receiver.recv().await {
            sum += number;
        }
    });
    let all_sent = threads.into_iter().all(|thread| thread.join().is_ok_and(|sent| sent));
    ensure(all_sent && sum == THREADS * (EACH * (EACH - 1) / 2), || format!("the sum is {sum}"))
}

/// The service has one thread and needs no more. A runtime of four must work all the same, on one processor or two.
pub(crate) fn a_runtime_of_many_threads_works() -> Verdict {
    const PAIRS: u32 = 16;
    const ROUNDS: u32 = 500;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let mut ends = Vec::new();
        for _ in 0..PAIRS {
            let (ball, mut coming) = mpsc::channel(1);
            let (back, mut returning) = mpsc::channel(1);
            tokio::spawn(async move {
                while let Some(number) = coming.recv().await {
                    if back.send(number).await.is_err() {
                        return;
                    }
                }
            });
            ends.push(tokio::spawn(async move {
                for round in 0..ROUNDS {
                    ball.send(round).await.ok()?;
                    tokio::time::sleep(Duration::from_micros(u64::from(round % 7))).await;
                    (returning.recv().await? == round).then_some(())?;
                }
                Some(())
            }));
        }
        for end in ends {
            let outcome = end.await.map_err(|error| error.to_string())?;
            ensure(outcome.is_some(), || "a pair lost its ball".to_owned())?;
        }
        Ok(())
    })
}

/// One thread waits a millisecond at a time, another wakes it about then: whichever comes first, both go on.
pub(crate) fn a_wake_up_that_meets_its_timeout_is_not_lost() -> Verdict {
    const ROUNDS: u32 = 1_000;
    let shared = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let waker = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            for round in 1..=ROUNDS {
                thread::park_timeout(Duration::from_micros(900 + u64::from(round % 200)));
                *shared.0.lock().unwrap_or_else(PoisonError::into_inner) = round;
                shared.1.notify_all();
            }
        })
    };
    let mut count = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
    while *count < ROUNDS {
        count =
            shared.1.wait_timeout(count, Duration::from_millis(1)).unwrap_or_else(PoisonError::into_inner).0;
    }
    drop(count);
    waker.join().map_err(|_| "the waker panicked".to_owned())
}

pub(crate) fn a_lock_that_many_want_reaches_each() -> Verdict {
    const THREADS: u32 = 4;
    const EACH: u32 = 20_000;
    let sum = Arc::new(Mutex::new(0_u32));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let sum = Arc::clone(&sum);
            thread::spawn(move || {
                for turn in 0..EACH {
                    let mut held = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    *held += 1;
                    if turn % 64 == 0 {
                        // Whoever wants the lock now has to sleep.
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked".to_owned())?;
    }
    let sum = *sum.lock().unwrap_or_else(PoisonError::into_inner);
    ensure(sum == THREADS * EACH, || format!("{sum} of {} additions", THREADS * EACH))
}
