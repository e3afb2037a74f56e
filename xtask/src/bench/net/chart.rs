//! The ratios as a picture: a bar for each work, a line where it should reach.
//!
//! Invariant: a bar to the right of 1 is an advantage of the web machine, whether more or less is better.
use std::fmt::Write as _;

use super::report::{Report, Row};
use crate::bench::stage::subject::Subject;

const ROW: f64 = 22.0;
const LEFT: f64 = 190.0;
const WIDTH: f64 = 520.0;
/// The greatest advantage that is drawn to scale.
const SCALE_MAX: f64 = 8.0;

/// The chart as SVG.
pub(super) fn svg(report: &Report) -> String {
    let bars: Vec<_> = report.rows.iter().filter_map(|row| Some((row, advantage(row)?))).collect();
    let height = ROW * (bars.len() as f64 + 2.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>The web machine's advantage over the same service on Linux</title>\n",
        LEFT + WIDTH + 60.0
    );
    for (index, (row, advantage)) in bars.iter().enumerate() {
        bar(&mut text, ROW * (index as f64 + 1.0), row, *advantage);
    }
    let one = x(1.0);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<path d=\"M{one} 10V{height}\" stroke=\"#333\"/>\n</svg>");
    text
}

fn bar(text: &mut String, top: f64, row: &Row, advantage: f64) {
    let color = if row.is_reached(Subject::Linux) == Some(false) { "#c60" } else { "#287" };
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{LEFT}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\" fill=\"{color}\"/>\
         <text x=\"{:.1}\" y=\"{}\">{advantage:.2}</text>",
        LEFT - 8.0,
        top + 13.0,
        row.work,
        x(advantage) - LEFT,
        ROW - 6.0,
        x(advantage) + 5.0,
        top + 13.0,
    );
    if let Some(asked) = row.asked[0] {
        let goal = x(if row.is_gain { asked } else { 1.0 / asked });
        let _ = writeln!(
            text,
            "<path d=\"M{goal:.1} {top}v{}\" stroke=\"#000\" stroke-dasharray=\"3\"/>",
            ROW - 6.0
        );
    }
}

/// How many times better the web machine is.
fn advantage(row: &Row) -> Option<f64> {
    let ratio = row.ratio(Subject::Linux)?;
    Some(if row.is_gain { ratio } else { 1.0 / ratio })
}

fn x(advantage: f64) -> f64 {
    LEFT + WIDTH * (advantage / SCALE_MAX).min(1.0)
}
