//! Echo requests: the way to a machine's kernel and back, which every answer over one connection takes too.
//!
//! What a server can save lies beside it: with one connection, nothing else goes on meanwhile. Invariant: the next request goes
//! out when the last one is answered, as a generator with one connection does it.
use std::process::Command;

use ::image::command;
use anyhow::{Context, Result};

use crate::bench::stage::Stage;
use crate::bench::stage::subject::Subject;

/// How many requests were answered, each second.
pub(super) fn rate(stage: &Stage<'_>, subject: Subject, seconds: u16) -> Result<f64> {
    let mut ping = Command::new(stage.busybox());
    ping.args(["ping", "-A", "-q", "-w", &seconds.to_string(), &subject.place().address().to_string()]);
    let said = String::from_utf8_lossy(&command::output(&mut ping)?).into_owned();
    let answers = answers(&said).with_context(|| format!("ping says nothing of answers:\n{said}"))?;
    Ok(answers / f64::from(seconds))
}

/// `300525 packets transmitted, 300525 packets received, 0% packet loss`
fn answers(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains(" packets received"))?;
    line.split(", ").nth(1)?.split(' ').next()?.parse().ok().filter(|answers| *answers > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_what_was_received() {
        let said = "\n--- 10.0.2.15 ping statistics ---\n12 packets transmitted, 11 packets received, 8% packet loss\n";
        assert_eq!(answers(said), Some(11.0));
        assert_eq!(answers("12 packets transmitted, 0 packets received, 100% packet loss"), None);
        assert_eq!(answers("ping: sendto: Network is unreachable"), None);
    }
}
