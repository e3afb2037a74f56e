//! wrk: as many requests over HTTP/1.1 as are answered. It takes less of a processor than h2load does for each.
//!
//! It keeps no rate, and looks at no certificate. Invariant: a run with an answer that was none is no measurement.
use std::io::Write as _;
use std::process::Command;

use ::image::command;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Makes wrk print its result as JSON.
const SCRIPT: &str = include_str!("wrk.lua");
/// How long wrk waits for an answer: longer than for the slowest of a crowd's downloads.
const PATIENCE: &str = "90s";
/// Of a thousand answers, so many may fail: a connection that is closed as the run ends counts as failed.
const FAILED_PER_THOUSAND: u64 = 5;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub(super) url: &'a str,
    /// The name that requests ask for.
    pub(super) host: &'a str,
    pub(super) connections: u16,
    /// Whether every request comes over a new connection.
    pub(super) is_new: bool,
    pub(super) seconds: u16,
    /// The processor that wrk keeps to, if any.
    pub(super) cpu: Option<&'a str>,
}

/// What wrk saw.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) answers: u64,
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

impl Seen {
    /// Answers per second.
    pub(super) fn rate(&self) -> f64 {
        self.answers as f64 * 1e6 / self.microseconds as f64
    }
}

impl Load<'_> {
    /// Asks for so long.
    ///
    /// # Errors
    /// When there was no answer, or some were none.
    pub(super) fn run(&self) -> Result<Seen> {
        let mut script = tempfile::NamedTempFile::new()?;
        script.write_all(SCRIPT.as_bytes())?;
        let mut wrk = match self.cpu {
            Some(cpu) => command_on(cpu),
            None => Command::new("wrk"),
        };
        wrk.args(["--threads", "1", "--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", self.seconds), "--timeout", PATIENCE]);
        wrk.arg("--script").arg(script.path()).args(["--header", &format!("Host: {}", self.host)]);
        if self.is_new {
            wrk.args(["--header", "Connection: close"]);
        }
        let output = command::output(wrk.arg(self.url))?;
        let seen = read(&String::from_utf8_lossy(&output))?;
        ensure!(
            seen.answers > 0 && seen.failed.sum() * 1000 <= seen.answers * FAILED_PER_THOUSAND,
            "{} answers, {:?} ({})",
            seen.answers,
            seen.failed,
            command::line(&wrk)
        );
        Ok(seen)
    }
}

fn command_on(cpu: &str) -> Command {
    let mut taskset = Command::new("taskset");
    taskset.args(["--cpu-list", cpu, "wrk"]);
    taskset
}

fn read(text: &str) -> Result<Seen> {
    let json = text.lines().rfind(|line| line.starts_with('{')).context("wrk printed no result")?;
    serde_json::from_str(json).with_context(|| format!("wrk printed {json}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_result() {
        let failed = r#"{"connect":1,"read":2,"write":3,"status":4,"timeout":5}"#;
        let text =
            format!("Running 3s test\n{{\"answers\":9,\"microseconds\":3000000,\"failed\":{failed}}}\n");
        let seen = read(&text).unwrap();
        assert_eq!((seen.answers, seen.rate(), seen.failed.sum()), (9, 3.0, 15));
        assert!(read("Running 3s test\n").is_err() && read("{}").is_err());
    }
}
