//! Several measurements of one thing: their middle and their spread.
//!
//! Medians, not means: one disturbed boot must not move the figure. Invariant: there is at least one measurement.
use serde::Serialize;

/// The middle and the extremes of some measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// Half of the measurements lie below.
    pub(super) median: f64,
    /// The least.
    pub(super) least: f64,
    /// The most.
    pub(super) most: f64,
}

impl Spread {
    /// `None` of no measurements.
    pub(super) fn of(measured: &[f64]) -> Option<Self> {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let below = sorted[(sorted.len() - 1) / 2];
        Some(Self { median: f64::midpoint(below, sorted[middle]), least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_measurement_does_not_move_the_median() {
        let spread = Spread::of(&[2.0, 1.0, 90.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, least: 1.0, most: 90.0 });
        assert_eq!(Spread::of(&[4.0, 1.0]).unwrap().median, 2.5);
        assert!(Spread::of(&[]).is_none());
    }
}
