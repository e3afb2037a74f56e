//! From power-on to the first verified answer over HTTPS, of machines that QEMU starts directly.
use ::image::progress;
use anyhow::Result;

use super::report::Row;
use super::work::Work;
use crate::bench::stage::Stage;

pub(super) fn measure(stage: &Stage<'_>, works: &[Work], repetitions: u16) -> Result<Vec<Row>> {
    works.iter().map(|work| row(stage, *work, repetitions)).collect()
}

fn row(stage: &Stage<'_>, work: Work, repetitions: u16) -> Result<Row> {
    let step = progress::start(work.title());
    let mut row = Row::new(work);
    for round in 1..=repetitions {
        for subject in work.subjects() {
            step.update(format!("{subject:?}, {round} of {repetitions}"));
            let mut machine = stage.power_on(subject.place(), stage.usual())?;
            stage.await_answer(&mut machine, *subject)?;
            row.add(*subject, machine.powered_on().elapsed().as_secs_f64());
            machine.cut()?;
        }
    }
    step.done(row.summary());
    Ok(row)
}
