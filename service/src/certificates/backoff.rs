//! When to try again, and where: pure arithmetic, so that days can be tried in no time.

/// After the first failure, in seconds: it may have been a hiccup.
const FIRST_S: u64 = 60;

/// At most, in seconds. Six hours: four attempts a day while an authority is down, which its limits allow (Let's Encrypt:
/// five failures an hour for each name), and a short-lived certificate of six days still sees many of them.
const LONGEST_S: u64 = 6 * 3600;

/// Failures in a row at one authority before the next has its turn.
const PATIENCE: u32 = 3;

/// How long to wait after this many failures in a row, in seconds. `chance` from 0 to 1 spreads it by a fifth both ways, so
/// that the sites of one authority do not all come back in the same second. Never earlier than the authority asked for.
pub fn delay_s(failures: u32, chance: f64, asked_for_s: Option<u64>) -> i64 {
    let doubled = FIRST_S.saturating_mul(1 << failures.saturating_sub(1).min(20));
    let spread = doubled.min(LONGEST_S) as f64 * (0.8 + 0.4 * chance.clamp(0.0, 1.0));
    // A day: an authority cannot send us away for ever.
    let asked_for = asked_for_s.unwrap_or(0).min(86_400);
    (spread as i64).max(asked_for as i64)
}

/// Which of `authorities` (the number of them) has its turn after this many failures in a row.
pub fn turn(failures: u32, authorities: usize) -> usize {
    (failures / PATIENCE) as usize % authorities.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_is_down_for_a_day_is_asked_often_at_first_and_rarely_later() {
        let mut at_s = 0;
        let attempts = (1..)
            .map(|failures| {
                at_s += delay_s(failures, 0.5, None);
                at_s
            })
            .take_while(|at_s| *at_s < 86_400)
            .count();
        assert_eq!(attempts, 11);
        assert_eq!(delay_s(1, 0.5, None), 60);
        assert_eq!(delay_s(u32::MAX, 1.0, None), 6 * 3600 * 6 / 5);
    }

    #[test]
    fn what_an_authority_asks_for_is_kept_within_a_day() {
        assert_eq!(delay_s(1, 0.0, Some(3600)), 3600);
        assert_eq!(delay_s(1, 0.0, Some(u64::MAX)), 86_400);
        assert_eq!((delay_s(1, 0.0, None), delay_s(1, 1.0, None)), (48, 72));
    }

    #[test]
    fn authorities_take_turns_by_threes() {
        let turns: Vec<usize> = (0..9).map(|failures| turn(failures, 2)).collect();
        assert_eq!(turns, [0, 0, 0, 1, 1, 1, 0, 0, 0]);
        assert_eq!(turn(7, 1), 0);
    }
}
