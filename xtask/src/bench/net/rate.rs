//! Rates: requests, handshakes, downloads and pages in a second, of servers that are taken in turns.
//!
//! Invariant: one generator loads one server at a time; the others' machines idle.
use ::image::progress;
use anyhow::Result;

use super::load;
use super::report::Row;
use super::work::Work;
use crate::bench::stage::{Setting, Stage};

/// A second of the same load before the first measurement: caches, buffers and connections to the database.
const WARM_UP_S: u16 = 1;

pub(super) fn measure(stage: &Stage<'_>, works: &[Work], repetitions: u16, seconds: u16) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for delay_ms in [0, 20] {
        let works: Vec<Work> = works.iter().copied().filter(|work| work.load.delay_ms == delay_ms).collect();
        if works.is_empty() {
            continue;
        }
        let _machines = stage.start_both(Setting { delay_ms, ..stage.usual() })?;
        for work in works {
            rows.push(row(stage, work, repetitions, seconds)?);
        }
    }
    Ok(rows)
}

fn row(stage: &Stage<'_>, work: Work, repetitions: u16, seconds: u16) -> Result<Row> {
    let step = progress::start(work.title());
    for subject in work.subjects() {
        load::rate(stage, *subject, work.load, WARM_UP_S)?;
    }
    let mut row = Row::new(work);
    for round in 1..=repetitions {
        for subject in work.subjects() {
            step.update(format!("{subject:?}, {round} of {repetitions}"));
            row.add(*subject, load::rate(stage, *subject, work.load, seconds)?);
        }
    }
    step.done(row.summary());
    Ok(row)
}
