//! The figures of one run, and the table that a person reads.
//!
//! Invariant: a ratio divides medians of one run, whose measurements were taken in turns.
use std::collections::BTreeMap;

use serde::Serialize;

use super::work::Work;
use crate::bench::figures::Spread;
use crate::bench::stage::subject::Subject;

/// All works of one run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
}

/// One work.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) work: &'static str,
    pub(super) unit: &'static str,
    /// Whether more is better.
    pub(super) is_gain: bool,
    /// The ratio that is asked for: to the same service on Linux, and to nginx.
    pub(super) asked: [Option<f64>; 2],
    measured: BTreeMap<&'static str, Vec<f64>>,
}

impl Row {
    pub(super) fn new(work: Work) -> Self {
        let kind = work.kind();
        Self {
            work: work.title(),
            unit: kind.unit(),
            is_gain: kind.is_gain(),
            asked: work.asked,
            measured: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, subject: Subject, figure: f64) {
        self.measured.entry(name(subject)).or_default().push(figure);
    }

    /// Middle and extremes of one server's figures.
    pub(super) fn spread(&self, subject: Subject) -> Option<Spread> {
        Spread::of(self.measured.get(name(subject))?)
    }

    /// The web machine's median by another's.
    pub(super) fn ratio(&self, to: Subject) -> Option<f64> {
        Some(self.spread(Subject::Web)?.median / self.spread(to)?.median)
    }

    /// Least and greatest ratio of measurements that followed each other.
    pub(super) fn ratios(&self, to: Subject) -> Option<Spread> {
        let pairs = self.measured.get("web")?.iter().zip(self.measured.get(name(to))?);
        Spread::of(&pairs.map(|(web, other)| web / other).collect::<Vec<_>>())
    }

    /// Whether the ratio is as asked; `None` where none is.
    pub(super) fn is_reached(&self, to: Subject) -> Option<bool> {
        let asked = self.asked[usize::from(to == Subject::Nginx)]?;
        let ratio = self.ratio(to)?;
        Some(if self.is_gain { ratio >= asked } else { ratio <= asked })
    }

    /// `1.24 × linux, 3.10 × nginx`
    pub(super) fn summary(&self) -> String {
        let part = |to| Some(format!("{:.2} × {}", self.ratio(to)?, name(to)));
        [Subject::Linux, Subject::Nginx].into_iter().filter_map(part).collect::<Vec<_>>().join(", ")
    }
}

/// As the report names it.
pub(super) fn name(subject: Subject) -> &'static str {
    match subject {
        Subject::Web => "web",
        Subject::Linux => "linux",
        Subject::Nginx => "nginx",
    }
}

const HEAD: &str = "\
| work                   | unit         |        web |      linux |      nginx | × linux (spread)      | asked | × nginx | asked |
|------------------------|--------------|------------|------------|------------|-----------------------|-------|---------|-------|
";

impl Report {
    /// For a terminal; it is Markdown too.
    pub(super) fn table(&self) -> String {
        self.rows.iter().fold(format!("\n{HEAD}"), |text, row| text + &line(row))
    }
}

fn line(row: &Row) -> String {
    let median = |subject| row.spread(subject).map_or_else(String::new, |spread| figure(spread.median));
    let spread = row.ratios(Subject::Linux).map_or_else(String::new, |ratios| {
        format!(
            "{:.2} ({:.2} to {:.2})",
            row.ratio(Subject::Linux).unwrap_or_default(),
            ratios.least,
            ratios.most
        )
    });
    let nginx = row.ratio(Subject::Nginx).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    format!(
        "| {:<22} | {:<12} | {:>10} | {:>10} | {:>10} | {spread:<21} | {:<5} | {nginx:>7} | {:<5} |\n",
        row.work,
        row.unit,
        median(Subject::Web),
        median(Subject::Linux),
        median(Subject::Nginx),
        asked(row, Subject::Linux),
        asked(row, Subject::Nginx),
    )
}

/// `1.5 ✓`
fn asked(row: &Row, to: Subject) -> String {
    let Some(asked) = row.asked[usize::from(to == Subject::Nginx)] else { return String::new() };
    let mark = if row.is_reached(to) == Some(true) { '✓' } else { '✗' };
    format!("{asked} {mark}")
}

/// Three digits are all that a measurement is worth.
fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(title: &str, web: &[f64], linux: &[f64]) -> Row {
        let work = Work::ALL.into_iter().find(|work| work.title() == title).unwrap();
        let mut row = Row::new(work);
        web.iter().for_each(|figure| row.add(Subject::Web, *figure));
        linux.iter().for_each(|figure| row.add(Subject::Linux, *figure));
        row
    }

    #[test]
    fn more_is_better_for_rates_and_worse_for_times() {
        assert_eq!(row("http 1", &[150.0, 1.0, 151.0], &[100.0]).is_reached(Subject::Linux), Some(true));
        assert_eq!(row("http 1", &[149.0], &[100.0]).is_reached(Subject::Linux), Some(false));
        assert_eq!(row("p99 http", &[70.0], &[100.0]).is_reached(Subject::Linux), Some(true));
        assert_eq!(row("p99 http", &[71.0], &[100.0]).is_reached(Subject::Linux), Some(false));
        assert_eq!(row("http 1", &[1.0], &[1.0]).is_reached(Subject::Nginx), None);
    }

    #[test]
    fn the_table_says_what_is_missed() {
        let report = Report { rows: vec![row("http 1", &[120.0], &[100.0])] };
        assert!(report.table().contains("| 1.20 (1.20 to 1.20)   | 1.5 ✗ |"), "{}", report.table());
    }
}
