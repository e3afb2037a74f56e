//! Timers fire, none early, also while the processor is busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Verdict, ensure, runtime};

pub(crate) fn no_timer_fires_early_and_all_do() -> Verdict {
    const TIMERS: u64 = 1_000;
    runtime()?.block_on(async {
        let sleeps: Vec<_> = (0..TIMERS)
            .map(|number| {
                tokio::spawn(async move {
                    let (begun, asked) = (Instant::now(), Duration::from_micros(number * 7_919 % 250_000));
                    tokio::time::sleep(asked).await;
                    let slept = begun.elapsed();
                    ensure(slept >= asked, || format!("{slept:?} instead of {asked:?}"))
                })
            })
            .collect();
        for sleep in sleeps {
            sleep.await.map_err(|error| error.to_string())??;
        }
        Ok(())
    })
}

/// Turns of ten milliseconds: of a second, each of the two gets about a half.
pub(crate) fn time_passes_for_one_thread_while_another_computes() -> Verdict {
    const TICK: Duration = Duration::from_millis(5);
    const TICKS: u32 = 100;
    /// Were there no turns, all ticks would come after the other's end: none while it computes.
    const LEAST: u32 = 20;
    let (computes, ends) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let thread = {
        let (computes, ends) = (Arc::clone(&computes), Arc::clone(&ends));
        thread::spawn(move || {
            let begun = Instant::now();
            while !ends.load(Ordering::Relaxed) && begun.elapsed() < TICK * TICKS * 20 {
                std::hint::spin_loop();
            }
            computes.store(false, Ordering::Relaxed);
        })
    };
    let ticks = runtime()?.block_on(async {
        let mut ticks = 0;
        for _ in 0..TICKS {
            tokio::time::sleep(TICK).await;
            ticks += u32::from(computes.load(Ordering::Relaxed));
        }
        ticks
    });
    ends.store(true, Ordering::Relaxed);
    thread.join().map_err(|_| "the thread panicked".to_owned())?;
    ensure(ticks >= LEAST, || format!("{ticks} of {TICKS} ticks while another thread computed"))
}
