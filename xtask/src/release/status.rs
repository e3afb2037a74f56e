//! `release status`: what runs where, since when, with which certificate, under which record.
//!
//! It changes nothing and asks everybody anew. Invariant: what it prints was seen just now, but for the history.
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;

use super::short;
use super::stage::Stage;
use super::world::World;
use crate::provider::{Machine, now_s};

/// Some seconds for each machine's answer, as for somebody who has waited this long.
const PATIENCE: Duration = Duration::from_secs(24);

/// Prints it, one fact a line.
pub(super) fn print(stage: &mut Stage<'_>) -> Result<()> {
    for server in &stage.zone.servers {
        let said = server.records(&stage.zone.names.all());
        println!(
            "record   {server}: {}",
            said.map_or_else(|error| format!("{error:#}"), |records| records.to_string())
        );
    }
    let machines = stage.machines()?;
    if machines.is_empty() {
        println!("machine  none runs");
    }
    for machine in machines {
        println!("{}", line(stage, &machine));
    }
    let history = stage.history()?;
    for (index, release) in history.released.iter().rev().enumerate() {
        let word = if index == 0 { "current" } else { "before" };
        println!(
            "{word:<8} image {} of commit {}, {} ago",
            short(&release.image),
            short(&release.commit),
            ago(release.at_s)
        );
    }
    Ok(())
}

fn line(stage: &Stage<'_>, machine: &Machine) -> String {
    let Machine { name, image, address, since_s } = machine;
    let answers = stage.visitor(*address).and_then(|visitor| {
        let status = visitor.get(crate::visit::READY, PATIENCE)?;
        Ok(format!("answers {status}, certificate for {}", until(visitor.certificate_end_s()?)))
    });
    let answers = answers.unwrap_or_else(|error| format!("does not answer: {error:#}"));
    format!("machine  {name} at {address} for {}, image {}, {answers}", ago(*since_s), short(image))
}

fn ago(moment_s: u64) -> String {
    span(now_s().saturating_sub(moment_s))
}

fn until(moment_s: u64) -> String {
    let end = UNIX_EPOCH + Duration::from_secs(moment_s);
    match end.elapsed() {
        Ok(_) => "no time any more".to_owned(),
        Err(left) => span(left.duration().as_secs()),
    }
}

/// The two largest units say enough.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units() {
        let spans = [(5, "5 s"), (125, "2 min 5 s"), (7300, "2 h 1 min"), (200_000, "2 days 7 h")];
        for (seconds, expected) in spans {
            assert_eq!(span(seconds), expected);
        }
    }
}
