//! Load, by two generators that many use: wrk asks as fast as it is answered, h2load at a given rate.
//!
//! Neither does the other's work: wrk keeps no rate, and h2load opens a new connection for each request only up to a
//! number of them. Invariant: a run with an answer that was none is no measurement.
use std::fs;
use std::process::Command;
use std::time::Duration;

use ::image::command;
use anyhow::{Context, Result, ensure};

use super::echo;
use super::work::{ECHO, Load};
use crate::bench::stage::Stage;
use crate::bench::stage::subject::Subject;
use crate::bench::wrk;

/// Fewer answers than this make no percentile.
const SAMPLES_MIN: usize = 200;

/// How many requests were answered, each second.
pub(super) fn rate(stage: &Stage<'_>, subject: Subject, load: Load, seconds: u16) -> Result<f64> {
    if load.scheme == ECHO {
        return echo::rate(stage, subject, seconds);
    }
    Ok(run(stage, subject, load, seconds)?.rate())
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

fn run(stage: &Stage<'_>, subject: Subject, load: Load, seconds: u16) -> Result<wrk::Seen> {
    let seconds = seconds + handshakes_s(load) + downloads_s(load);
    let url = format!("{}{}", subject.origin(load.scheme), load.path);
    let Load { connections, is_new, .. } = load;
    wrk::Load { url: &url, host: stage.host(), connections, is_new, seconds, cpu: None }.run()
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
