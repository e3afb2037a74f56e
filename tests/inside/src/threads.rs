//! Threads begin and end, many times over, and leave nothing behind; one that waits takes nothing from others.

use std::thread;
use std::time::{Duration, Instant};

use crate::{Verdict, ensure, runtime};

/// More than fit into the machine's memory at once, were their stacks not given back.
pub(crate) fn threads_come_and_go() -> Verdict {
    const ROUNDS: usize = 100;
    const AT_ONCE: usize = 8;
    for round in 0..ROUNDS {
        let threads: Vec<_> = (0..AT_ONCE).map(|number| thread::spawn(move || round * number)).collect();
        for (number, thread) in threads.into_iter().enumerate() {
            let product = thread.join().map_err(|_| "a thread panicked".to_owned())?;
            ensure(product == round * number, || format!("{round} × {number} = {product}"))?;
        }
    }
    Ok(())
}

/// As a database's address is looked up: on a thread that tokio keeps for a while, and ends when nothing comes.
pub(crate) fn blocking_work_comes_back() -> Verdict {
    const ROUNDS: u32 = 300;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(Duration::from_millis(2))
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        for round in 0..ROUNDS {
            let got = tokio::task::spawn_blocking(move || round).await.map_err(|error| error.to_string())?;
            ensure(got == round, || format!("{got} instead of {round}"))?;
            tokio::time::sleep(Duration::from_micros(u64::from(round) * 16)).await;
        }
        Ok(())
    })
}

/// Beside a thread that waits for a timer as a runtime does, another gets as much done as alone.
pub(crate) fn who_waits_leaves_the_processor_to_who_computes() -> Verdict {
    const WINDOW: Duration = Duration::from_millis(200);
    const WINDOWS: usize = 5;
    let runtime = runtime()?;
    let (mut alone, mut beside) = (0, 0);
    for _ in 0..WINDOWS {
        let computing = thread::spawn(|| computed_within(WINDOW));
        alone = alone.max(computing.join().map_err(|_| "a thread panicked")?);
        let computing = thread::spawn(|| computed_within(WINDOW));
        runtime.block_on(async { tokio::time::sleep(WINDOW).await });
        beside = beside.max(computing.join().map_err(|_| "a thread panicked")?);
    }
    // A waiter that takes turns gets half of them.
    ensure(beside * 4 >= alone * 3, || format!("{beside} steps beside a waiter, {alone} alone"))
}

/// Steps of a computation that a thread gets done.
fn computed_within(window: Duration) -> u64 {
    let started = Instant::now();
    let mut steps = 0;
    while started.elapsed() < window {
        steps = std::hint::black_box(steps + 1);
    }
    steps
}
