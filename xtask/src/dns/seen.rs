//! Waiting until every authoritative server answers the same.
//!
//! Invariant: success means that each server, asked directly, gave exactly the wanted records.
use std::time::{Duration, Instant};

use ::image::progress::Step;
use ::image::wait::{Status, wait_until};
use anyhow::Result;

use super::{Records, Server};

/// How often a server that does not have the records yet is asked again. A secondary is told of a change at once
/// (RFC 1996), so it takes a moment or a long time.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// Waits until all `servers` answer `wanted` for `names`.
pub(crate) fn await_everywhere(
    servers: &[Server],
    names: &[String],
    wanted: &Records,
    deadline: Duration,
    step: &Step,
) -> Result<()> {
    let mut late: Vec<(&Server, String)> = servers.iter().map(|server| (server, String::new())).collect();
    let mut asked: Option<Instant> = None;
    wait_until(deadline, "the records at every authoritative server", || {
        if asked.is_none_or(|at| at.elapsed() >= ASK_INTERVAL) {
            asked = Some(Instant::now());
            late.retain_mut(|(server, says)| lacks(server, names, wanted, says));
        }
        let seen =
            late.iter().map(|(server, says)| format!("{server}: {says}")).collect::<Vec<_>>().join("; ");
        step.update(&seen);
        Ok(if late.is_empty() { Status::Reached(()) } else { Status::Pending(seen) })
    })
}

fn lacks(server: &Server, names: &[String], wanted: &Records, says: &mut String) -> bool {
    match server.records(names) {
        Ok(records) if records == *wanted => return false,
        Ok(records) => *says = records.to_string(),
        Err(error) => *says = format!("{error:#}"),
    }
    true
}
