//! What processes occupy of this host's memory: the proportional share of all pages (proc_pid_smaps(5)), so that what
//! nginx's processes share is not counted twice.
use std::fs;

use anyhow::{Context, Result};

/// Of these processes together, in MiB.
pub(super) fn mib(processes: &[u32]) -> Result<f64> {
    let kib: Result<Vec<f64>> = processes.iter().map(|process| pss_kib(*process)).collect();
    Ok(kib?.iter().sum::<f64>() / 1024.0)
}

fn pss_kib(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB"));
    value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("{path} says no Pss"))
}
