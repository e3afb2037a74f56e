//! A thread that is interrupted finds its registers as they were.

use std::thread;

use crate::{Verdict, ensure};

/// Long sums in all lanes of the vector registers, on several threads that take turns.
pub(crate) fn vector_registers_are_each_threads_own() -> Verdict {
    const THREADS: u64 = 4;
    const LANES: usize = 16;
    const STEPS: u32 = 2_000_000;
    let threads: Vec<_> = (1..=THREADS)
        .map(|number| {
            thread::spawn(move || {
                let step = f64::from(u32::try_from(number).unwrap_or(0));
                let mut lanes = [0.0_f64; LANES];
                for _ in 0..STEPS {
                    for lane in &mut lanes {
                        *lane += std::hint::black_box(step);
                    }
                }
                let wanted = step * f64::from(STEPS);
                lanes.iter().all(|lane| lane.to_bits() == wanted.to_bits())
            })
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let is_right = thread.join().map_err(|_| "a thread panicked".to_owned())?;
        ensure(is_right, || format!("thread {number} has a wrong sum"))?;
    }
    Ok(())
}
