//! h2load (nghttp2): so many requests, or as many as possible, over TLS on a processor of its own.
//!
//! Invariant: a run in which any request failed is an error, not a figure.
use std::fs;
use std::process::Command;

use ::image::command;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, setpriority_process};

use crate::endpoint::Endpoint;

/// The processor of load and database.
pub(super) const CPU: &str = "1";
/// The lowest priority (setpriority(2)).
const LAST: i32 = 19;
pub(super) const CONNECTIONS: u16 = 16;
/// Requests at once in one HTTP/2 connection.
const STREAMS: u32 = 8;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// Requests for one path, or several in turns.
#[derive(Clone, Debug)]
pub(super) struct Load {
    address: String,
    urls: Vec<String>,
    seconds: u32,
    /// Instead of seconds.
    requests: Option<u64>,
    /// All connections together, per second; as many as possible without it.
    rate: Option<f64>,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Answers per second.
    pub(super) rate: f64,
    /// Of the answers' times, in milliseconds.
    pub(super) p99_ms: f64,
    mean_ms: f64,
}

impl Outcome {
    pub(super) fn mean_ms(self) -> f64 {
        self.mean_ms
    }
}

impl Load {
    pub(super) fn new(endpoint: &Endpoint, paths: &[&str], seconds: u32) -> Self {
        let urls =
            paths.iter().map(|path| format!("{}{path}", endpoint.url().trim_end_matches('/'))).collect();
        Self { address: endpoint.https.clone(), urls, seconds, requests: None, rate: None }
    }

    pub(super) fn at_rate(&self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self.clone() }
    }

    pub(super) fn count(&self, requests: u64) -> Self {
        Self { requests: Some(requests), ..self.clone() }
    }

    pub(super) fn run(&self, protocol: Protocol) -> Result<Outcome> {
        let (words, log) = self.seen(protocol)?;
        outcome(&words, &log)
    }

    /// Every answer for itself.
    pub(super) fn answers(&self, protocol: Protocol) -> Result<Vec<Answer>> {
        let (words, log) = self.seen(protocol)?;
        answers(&words, &log)
    }

    /// h2load's words and its log.
    fn seen(&self, protocol: Protocol) -> Result<(String, String)> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("requests.tsv");
        let mut h2load = Command::new("taskset");
        h2load.args(["--cpu-list", CPU, "h2load", "--threads=1"]).arg(format!("--clients={CONNECTIONS}"));
        h2load.arg(format!("--connect-to={}", self.address)).arg(format!("--log-file={}", log.display()));
        match self.requests {
            Some(requests) => h2load.arg(format!("--requests={requests}")),
            None => h2load.arg(format!("--duration={}", self.seconds)).arg("--warm-up-time=1"),
        };
        match protocol {
            Protocol::Http1 => h2load.arg("--h1"),
            Protocol::Http2 => h2load.arg(format!("--max-concurrent-streams={STREAMS}")),
        };
        if let Some(rate) = self.rate {
            h2load.arg(format!("--rps={:.0}", (rate / f64::from(CONNECTIONS)).max(1.0)));
        }
        let words = command::output(h2load.args(&self.urls))?;
        Ok((String::from_utf8_lossy(&words).into_owned(), fs::read_to_string(&log)?))
    }
}

/// One answer, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    /// When it was asked for, since 1970.
    pub(super) asked_us: f64,
    pub(super) took_us: f64,
}

/// h2load's summary when it had every answer.
const WHOLE: &str = " 0 failed, 0 errored, 0 timeout";

/// From h2load's log: start in microseconds, status, time in microseconds. An answer whose head came while it warmed up has
/// status 0 there; in the summary it counts as one.
fn answers(words: &str, log: &str) -> Result<Vec<Answer>> {
    ensure!(words.contains(WHOLE), "requests failed:\n{words}");
    let answer = |line: &str| {
        let mut fields = line.split('\t');
        let (asked, status, took) = (fields.next(), fields.next(), fields.next());
        ensure!(matches!(status, Some("200" | "0")), "an answer with status {status:?}: {line}\n{words}");
        let number = |field: Option<&str>| field.and_then(|field| field.trim().parse().ok());
        let times = number(asked).zip(number(took)).with_context(|| format!("h2load logged {line:?}"))?;
        Ok(Answer { asked_us: times.0, took_us: times.1 })
    };
    let answers = log.lines().map(answer).collect::<Result<Vec<_>>>()?;
    ensure!(!answers.is_empty(), "h2load logged no request:\n{words}");
    Ok(answers)
}

/// The time within which 99 of 100 came, in milliseconds; `None` of none.
pub(super) fn p99_ms(mut times_us: Vec<f64>) -> Option<f64> {
    times_us.sort_by(f64::total_cmp);
    let at = (times_us.len() * 99 / 100).min(times_us.len().saturating_sub(1));
    times_us.get(at).map(|time| time / 1000.0)
}

/// From h2load's summary and its log.
fn outcome(words: &str, log: &str) -> Result<Outcome> {
    let rate = words.split(" req/s").next().and_then(|before| before.rsplit(' ').next()?.parse().ok());
    let rate = rate.with_context(|| format!("h2load says no rate:\n{words}"))?;
    let times: Vec<f64> = answers(words, log)?.iter().map(|answer| answer.took_us).collect();
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let p99_ms = p99_ms(times).context("no answer")?;
    Ok(Outcome { rate, p99_ms, mean_ms: mean / 1000.0 })
}

/// Keeps a process, and what it starts, on one processor.
pub(super) fn pin(process: u32, cpu: &str) -> Result<()> {
    let mut taskset = Command::new("taskset");
    command::run(taskset.args(["--all-tasks", "--cpu-list", "--pid", cpu, &process.to_string()]))
}

/// Has a process, and what it starts, run only when nobody else wants its processor.
pub(super) fn stand_back(process: u32) -> Result<()> {
    let threads = format!("/proc/{process}/task");
    for thread in fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))? {
        let name = thread?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // Linux has a priority for each thread; one may have ended meanwhile.
        let _ = setpriority_process(id, LAST);
    }
    Ok(())
}

/// A process and its children.
pub(super) fn family(master: u32) -> Result<Vec<u32>> {
    let children = format!("/proc/{master}/task/{master}/children");
    let text = fs::read_to_string(&children).with_context(|| format!("cannot read {children}"))?;
    Ok(std::iter::once(master).chain(text.split_whitespace().filter_map(|id| id.parse().ok())).collect())
}

/// A page's text.
pub(super) fn page(endpoint: &Endpoint, path: &str) -> Result<String> {
    page_by(endpoint, path, &[])
}

/// The same with options of curl's more.
pub(super) fn page_by(endpoint: &Endpoint, path: &str, options: &[&str]) -> Result<String> {
    let (host, address) = (&endpoint.host, &endpoint.https);
    let port = endpoint.https_port()?;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--resolve"]).arg(format!("{host}:{port}:127.0.0.1"));
    curl.args(options)
        .arg("--cacert")
        .arg(&endpoint.ca)
        .arg(format!("{}{path}", endpoint.url().trim_end_matches('/')));
    let text = command::output(&mut curl).with_context(|| format!("no page {path} at {address}"))?;
    Ok(String::from_utf8(text)?)
}

/// Follows the links to older posts; the address of the page at this depth.
pub(super) fn page_at(endpoint: &Endpoint, depth: u32) -> Result<String> {
    let mut path = "/".to_owned();
    for page in 1..depth {
        let text = self::page(endpoint, &path)?;
        let next = text.split_once("rel=\"next\" href=\"").and_then(|(_, rest)| rest.split('"').next());
        path = next.with_context(|| format!("page {page} has no older one"))?.replace("&amp;", "&");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_and_a_failed_request_is_no_figure() {
        let words =
            "finished in 3.00s, 12345.67 req/s, 1.2MB/s\nrequests: 9 total, 0 failed, 0 errored, 0 timeout\n";
        let failed = words.replace("0 errored", "1 errored");
        let log: String = (1..=100).map(|time| format!("17\t200\t{}\n", time * 1000)).collect();
        let outcome = outcome(words, &log).unwrap();
        assert_eq!((outcome.rate, outcome.p99_ms, outcome.mean_ms()), (12345.67, 100.0, 50.5));
        assert!(super::outcome(words, "17\t503\t1000\n").is_err() && super::outcome(&failed, &log).is_err());
        assert!(super::outcome("nothing", &log).is_err() && super::outcome(words, "").is_err());
    }
}
