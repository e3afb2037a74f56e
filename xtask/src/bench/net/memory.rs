//! The smallest memory in which a machine serves 256 connections through keep-alive, new connections and downloads.
//!
//! Invariant: a machine that fails one load has too little, whatever it does at the others.
use ::image::progress;
use anyhow::{Context, Result};

use super::load;
use super::report::Row;
use super::work::{DOWNLOAD, Load, Work};
use crate::bench::stage::subject::Subject;
use crate::bench::stage::{Setting, Stage};

/// Least and greatest memory that are tried, in MiB, and how fine.
const LEAST_MIB: u32 = 12;
const MOST_MIB: u32 = 512;
const STEP_MIB: u32 = 1;
const SECONDS: u16 = 3;

pub(super) fn measure(stage: &Stage<'_>, works: &[Work]) -> Result<Vec<Row>> {
    works.iter().map(|work| row(stage, *work)).collect()
}

fn row(stage: &Stage<'_>, work: Work) -> Result<Row> {
    let step = progress::start(work.title());
    let mut row = Row::new(work);
    for subject in work.subjects() {
        let bears = |mib| {
            step.update(format!("{subject:?}, {mib} MiB"));
            survives(stage, *subject, work.load, mib)
        };
        bears(MOST_MIB).with_context(|| format!("{subject:?} fails at {MOST_MIB} MiB"))?;
        row.add(
            *subject,
            f64::from(least(|mib| bears(mib).inspect_err(|why| tell(*subject, mib, why)).is_ok())),
        );
    }
    step.done(row.summary());
    Ok(row)
}

/// Which load was too much is what somebody needs to know who wants to make do with less.
fn tell(subject: Subject, mib: u32, why: &anyhow::Error) {
    let why = why.to_string();
    progress::note(format!("{subject:?} fails at {mib} MiB: {}", why.lines().next().unwrap_or_default()));
}

/// The least memory that suffices, by halving: the most does.
fn least(suffices: impl Fn(u32) -> bool) -> u32 {
    let (mut too_little, mut enough) = (LEAST_MIB / STEP_MIB - 1, MOST_MIB / STEP_MIB);
    while enough - too_little > 1 {
        let middle = u32::midpoint(too_little, enough);
        if suffices(middle * STEP_MIB) { enough = middle } else { too_little = middle }
    }
    enough * STEP_MIB
}

fn survives(stage: &Stage<'_>, subject: Subject, load: Load, memory_mib: u32) -> Result<()> {
    let mut machine = stage.power_on(subject.place(), Setting { memory_mib, ..stage.usual() })?;
    stage.await_answer(&mut machine, subject)?;
    let loads = [
        Load { scheme: "http", ..load },
        load,
        Load { is_new: true, ..load },
        Load { path: DOWNLOAD, ..load },
        Load { path: DOWNLOAD, connections: 16, ..load },
    ];
    loads.into_iter().try_for_each(|load| load::rate(stage, subject, load, SECONDS).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_found_by_halving() {
        assert_eq!(least(|mib| mib >= 45), 45);
        assert_eq!(least(|mib| mib >= 12), 12);
        assert_eq!(least(|mib| mib >= MOST_MIB), MOST_MIB);
    }
}
