//! Instructions of the guest for each answer: what does not depend on how busy this host is.
//!
//! A guest that idles halts, and a halt executes nothing. What a machine executes without any load in the same time is
//! taken off. Invariant: each server is counted on a machine of its own kind that serves nobody else meanwhile.
use ::image::machine::{Machine, Pace};
use ::image::progress;
use anyhow::Result;

use super::load;
use super::report::Row;
use super::work::Work;
use crate::bench::stage::{Setting, Stage};

/// Counted guests are slow, but an instruction is an instruction.
const SECONDS: u16 = 4;

pub(super) fn measure(stage: &Stage<'_>, works: &[Work]) -> Result<Vec<Row>> {
    let machines = stage.start_both(Setting { pace: Pace::Counted, ..stage.usual() })?;
    works.iter().map(|work| row(stage, &machines, *work)).collect()
}

fn row(stage: &Stage<'_>, [web, yardstick]: &[Machine; 2], work: Work) -> Result<Row> {
    use crate::bench::stage::subject::Place;
    let step = progress::start(work.title());
    let mut row = Row::new(work);
    for subject in work.subjects() {
        let machine = if subject.place() == Place::Web { web } else { yardstick };
        load::answers(stage, *subject, work.load, 1)?;
        let before = machine.instructions()?;
        let answers = load::answers(stage, *subject, work.load, SECONDS)?;
        let executed = machine.instructions()? - before;
        row.add(*subject, executed as f64 / answers as f64);
    }
    step.done(row.summary());
    Ok(row)
}
