//! What a process has had of the processor.
//!
//! It knows no threads, and nothing of who waits. Invariant: what is told never shrinks.
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// User and system time of all threads of a process since its start, in steps of 10 ms.
///
/// # Errors
/// When there is no such process.
pub(super) fn time(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // proc(5): the program's name, in brackets, may hold anything; utime and stime are fields 14 and 15.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    // USER_HZ is 100 on every architecture that Linux's user space knows (sysconf(3), _SC_CLK_TCK).
    Ok(Duration::from_millis(ticks * 10))
}
