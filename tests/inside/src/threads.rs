//! Threads begin and end, many times over, and leave nothing behind.

use std::thread;
use std::time::Duration;

use crate::{Verdict, ensure};

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
