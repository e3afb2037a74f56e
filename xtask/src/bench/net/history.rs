//! Recorded runs, one a line, and whether a new one is worse.
//!
//! Instructions are compared as they are, everything else as ratios to Linux. Invariant: only a figure that is worse by
//! more than [`TOLERANCE`], and whose whole spread is worse, counts as a regression.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use ::image::Layout;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::report::{Report, Row};
use crate::bench::stage::subject::Subject;

/// A run that is worse by less than this is not.
const TOLERANCE: f64 = 0.05;

/// One run: the web machine's figure for each work.
#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    /// Seconds since 1970.
    recorded_s: u64,
    figures: BTreeMap<String, f64>,
}

/// Where the runs of this checkout are recorded.
pub(super) fn path(layout: &Layout) -> PathBuf {
    layout.root().join("bench-history.jsonl")
}

/// Adds a run.
pub(super) fn record(path: &Path, report: &Report) -> Result<()> {
    let recorded_s =
        std::time::SystemTime::UNIX_EPOCH.elapsed().context("the clock is before 1970")?.as_secs();
    let figures = report.rows.iter().filter_map(|row| Some((row.work.to_owned(), figure(row)?))).collect();
    let line = serde_json::to_string(&Entry { recorded_s, figures })? + "\n";
    let file = File::options().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Fails, and names the works, where `report` is worse than the newest run that has the work.
pub(super) fn compare(path: &Path, report: &Report) -> Result<()> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read: `--record` writes it", path.display()))?;
    let entries = text.lines().map(serde_json::from_str).collect::<Result<Vec<Entry>, _>>()?;
    let worse: Vec<String> = report.rows.iter().filter_map(|row| regression(row, &entries)).collect();
    ensure!(worse.is_empty(), "worse than recorded:\n  {}", worse.join("\n  "));
    Ok(())
}

/// What is recorded and compared of a work.
fn figure(row: &Row) -> Option<f64> {
    if row.unit == "instructions" {
        return row.spread(Subject::Web).map(|spread| spread.median);
    }
    row.ratio(Subject::Linux)
}

fn regression(row: &Row, entries: &[Entry]) -> Option<String> {
    let before = *entries.iter().rev().find_map(|entry| entry.figures.get(row.work))?;
    let now = figure(row)?;
    let best = match row.ratios(Subject::Linux) {
        Some(ratios) if row.unit != "instructions" => {
            if row.is_gain {
                ratios.most
            } else {
                ratios.least
            }
        }
        _ => now,
    };
    let is_worse = |figure: f64| {
        if row.is_gain { figure < before * (1.0 - TOLERANCE) } else { figure > before * (1.0 + TOLERANCE) }
    };
    (is_worse(now) && is_worse(best)).then(|| format!("{}: {now:.2}, was {before:.2}", row.work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::net::work::Work;

    fn report(title: &str, web: &[f64]) -> Report {
        let mut row = Row::new(Work::ALL.into_iter().find(|work| work.title() == title).unwrap());
        web.iter().for_each(|figure| {
            row.add(Subject::Web, *figure);
            row.add(Subject::Linux, 100.0);
        });
        Report { rows: vec![row] }
    }

    #[test]
    fn only_a_clear_loss_is_a_regression() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        record(&path, &report("http 1", &[150.0])).unwrap();
        record(&path, &report("p99 http", &[50.0])).unwrap();
        compare(&path, &report("http 1", &[143.0])).unwrap();
        compare(&path, &report("http 1", &[120.0, 130.0, 151.0])).unwrap();
        let error = compare(&path, &report("http 1", &[141.0])).unwrap_err().to_string();
        assert_eq!(error, "worse than recorded:\n  http 1: 1.41, was 1.50");
        compare(&path, &report("p99 http", &[52.0])).unwrap();
        assert!(compare(&path, &report("p99 http", &[54.0])).is_err());
    }

    #[test]
    fn instructions_are_compared_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        record(&path, &report("instructions http", &[100_000.0])).unwrap();
        compare(&path, &report("instructions http", &[104_000.0])).unwrap();
        assert!(compare(&path, &report("instructions http", &[106_000.0])).is_err());
    }
}
