//! Waiting for something outside this process: polling with a deadline and a remembered last status.
//!
//! It does not decide what to wait for, nor print: a caller that wants visible progress reports from its own status
//! closure. Invariant: no wait is longer than its deadline by more than one poll, and every error says what was
//! awaited and what was seen last.
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How often the status is asked for: short against a boot of half a second, long against the cost of asking.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What one look at the awaited thing showed.
#[derive(Debug)]
pub enum Status<T> {
    /// It has come to pass, with this result.
    Reached(T),
    /// Not yet; the text is what was seen, for the error at the deadline.
    Pending(String),
}

/// Asks for `status` until it is reached, and returns its result.
///
/// # Errors
/// An error of `status` itself ends the wait at once; otherwise the deadline does, with the last status seen.
pub fn wait_until<T>(
    deadline: Duration,
    what: &str,
    mut status: impl FnMut() -> Result<Status<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        match status()? {
            Status::Reached(result) => return Ok(result),
            Status::Pending(seen) if started.elapsed() >= deadline => {
                bail!("{what} not reached in {} s; last seen: {seen}", deadline.as_secs_f32())
            }
            Status::Pending(_) => pause(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one pause in the project: between two polls of a deadline"
)]
fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reached_status_ends_the_wait_with_its_result() {
        let mut looks = 0;
        let reached = wait_until(Duration::from_secs(5), "three looks", || {
            looks += 1;
            Ok(if looks == 3 { Status::Reached(looks) } else { Status::Pending(format!("look {looks}")) })
        });
        assert_eq!(reached.unwrap(), 3);
    }

    #[test]
    fn a_missed_deadline_names_what_was_awaited_and_seen_last() {
        let error =
            wait_until::<()>(Duration::ZERO, "login", || Ok(Status::Pending("port closed".to_owned())));
        assert_eq!(error.unwrap_err().to_string(), "login not reached in 0 s; last seen: port closed");
    }

    #[test]
    fn an_error_of_the_status_is_not_waited_on() {
        let error = wait_until::<()>(Duration::from_secs(3600), "login", || bail!("the machine died"));
        assert_eq!(error.unwrap_err().to_string(), "the machine died");
    }
}
