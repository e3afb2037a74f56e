//! Load, by two generators that many use: wrk asks as fast as it is answered, h2load at a given rate.
//!
//! Neither does the other's work: wrk keeps no rate, and h2load opens a new connection for each request only up to a
//! number of them. Invariant: a run with an answer that was none is no measurement.
use std::fs;
use std::process::Command;
use std::time::Duration;

use ::image::command;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::work::Load;
use crate::bench::stage::Stage;
use crate::bench::stage::subject::Subject;

/// Makes wrk print its result as JSON.
const SCRIPT: &str = include_str!("report.lua");
/// How long wrk waits for an answer: longer than for the slowest of a crowd's downloads.
const PATIENCE: &str = "90s";
/// Fewer answers than this make no percentile.
const SAMPLES_MIN: usize = 200;
/// Of a thousand answers, so many may fail: a connection that is closed as the run ends counts as failed.
const FAILED_PER_THOUSAND: u64 = 5;

/// What wrk saw.
#[derive(Debug, Deserialize)]
struct Seen {
    answers: u64,
    microseconds: u64,
    failed: Failed,
}

/// How requests failed.
#[derive(Debug, Deserialize)]
struct Failed {
    connect: u64,
    read: u64,
    write: u64,
    status: u64,
    timeout: u64,
}

impl Failed {
    fn sum(&self) -> u64 {
        self.connect + self.read + self.write + self.status + self.timeout
    }
}

/// How many requests were answered, each second.
pub(super) fn rate(stage: &Stage<'_>, subject: Subject, load: Load, seconds: u16) -> Result<f64> {
    let seen = run(stage, subject, load, seconds)?;
    Ok(seen.answers as f64 * 1e6 / seen.microseconds as f64)
}

/// How many requests were answered.
pub(super) fn answers(stage: &Stage<'_>, subject: Subject, load: Load, seconds: u16) -> Result<u64> {
    run(stage, subject, load, seconds).map(|seen| seen.answers)
}

/// Time for the handshakes that wrk makes before its first request: an emulated Linux machine makes 40 to 60 a second.
/// They stay in what is counted, for all servers.
fn handshakes_s(load: Load) -> u16 {
    const EACH_SECOND: u16 = 16;
    if load.scheme == "https" { load.connections / EACH_SECOND } else { 0 }
}

/// Time for a crowd's first downloads, which end at about the same time: an emulated Linux machine sends 8 to 16 MB in a
/// second.
fn downloads_s(load: Load) -> u16 {
    const EACH_SECOND: u16 = 6;
    if load.is_download() { load.connections / EACH_SECOND } else { 0 }
}

fn run(stage: &Stage<'_>, subject: Subject, load: Load, seconds: u16) -> Result<Seen> {
    let seconds = seconds + handshakes_s(load) + downloads_s(load);
    let script = stage.file("report.lua", SCRIPT)?;
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &load.connections.to_string()]);
    wrk.args(["--duration", &format!("{seconds}s"), "--timeout", PATIENCE, "--script"]).arg(script);
    wrk.args(["--header", &format!("Host: {}", stage.host())]);
    if load.is_new {
        wrk.args(["--header", "Connection: close"]);
    }
    wrk.arg(format!("{}{}", subject.origin(load.scheme), load.path));
    let output = command::output(&mut wrk)?;
    let text = String::from_utf8_lossy(&output);
    let json = text.lines().rfind(|line| line.starts_with('{')).context("wrk printed no result")?;
    let seen: Seen = serde_json::from_str(json).with_context(|| format!("wrk printed {json}"))?;
    ensure!(
        seen.answers > 0 && seen.failed.sum() * 1000 <= seen.answers * FAILED_PER_THOUSAND,
        "{subject:?}: {} answers, {:?} ({})",
        seen.answers,
        seen.failed,
        command::line(&wrk)
    );
    Ok(seen)
}

/// The time in which 99 of 100 requests were answered that came at `rate` in a second, in microseconds.
pub(super) fn p99(stage: &Stage<'_>, subject: Subject, load: Load, rate: f64, time: Duration) -> Result<f64> {
    let log = stage.folder().join("h2load.log");
    let _ = fs::remove_file(&log);
    let each = (rate / f64::from(load.connections)).max(1.0);
    let mut h2load = Command::new("h2load");
    h2load.args(["--h1", "--clients", &load.connections.to_string(), "--threads", "1"]);
    h2load.args(["--rps", &format!("{each:.2}"), "--duration", &time.as_secs().to_string()]);
    h2load.arg(format!("--log-file={}", log.display()));
    // A Host header of ours would be a second one, which is a bad request.
    let origin = subject.origin(load.scheme);
    let (_, address) = origin.split_once("://").context("an origin without a scheme")?;
    h2load.args(["--connect-to", address]);
    h2load.arg(format!("{}://{}{}", load.scheme, stage.host(), load.path));
    command::run(&mut h2load)?;
    let text = fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let mut times: Vec<u64> = text.lines().filter_map(answered_us).collect();
    ensure!(times.len() >= SAMPLES_MIN, "{subject:?}: only {} answers to h2load", times.len());
    times.sort_unstable();
    Ok(times[times.len() * 99 / 100] as f64)
}

/// A line of h2load's log: start, status, and the time until the answer was complete, in microseconds.
fn answered_us(line: &str) -> Option<u64> {
    let mut columns = line.split('\t');
    let status: u16 = columns.nth(1)?.parse().ok()?;
    let time = columns.next()?.trim().parse().ok()?;
    (200..400).contains(&status).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_that_are_answers_count() {
        assert_eq!(answered_us("1700000000000000\t200\t1234"), Some(1234));
        assert_eq!(answered_us("1700000000000000\t503\t1234"), None);
        assert_eq!(answered_us("1700000000000000\t-1\t1234"), None);
        assert_eq!(answered_us(""), None);
    }
}
