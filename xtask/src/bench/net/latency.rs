//! Latency: the slowest of a hundred answers, at half of the rate that the service on Linux reaches at most.
//!
//! The same rate for all, so that a server is not judged at a load that another could not carry.
use std::time::Duration;

use ::image::progress;
use anyhow::Result;

use super::load;
use super::report::Row;
use super::work::Work;
use crate::bench::stage::Stage;
use crate::bench::stage::subject::Subject;

pub(super) fn measure(stage: &Stage<'_>, works: &[Work], repetitions: u16, seconds: u16) -> Result<Vec<Row>> {
    let _machines = stage.start_both(stage.usual())?;
    works.iter().map(|work| row(stage, *work, repetitions, seconds)).collect()
}

fn row(stage: &Stage<'_>, work: Work, repetitions: u16, seconds: u16) -> Result<Row> {
    let step = progress::start(work.title());
    load::rate(stage, Subject::Web, work.load, 1)?;
    let half = load::rate(stage, Subject::Linux, work.load, seconds)? / 2.0;
    let time = Duration::from_secs(seconds.into());
    let mut row = Row::new(work);
    for round in 1..=repetitions {
        for subject in work.subjects() {
            step.update(format!("{subject:?}, {round} of {repetitions}"));
            row.add(*subject, load::p99(stage, *subject, work.load, half, time)?);
        }
    }
    step.done(row.summary());
    Ok(row)
}
