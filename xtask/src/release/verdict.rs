//! Whether an image may meet visitors: a pure function of what was recorded about it.
//!
//! Invariant: no flip without a trial, a ready candidate, a passed smoke suite and a finished watch of one and the same machine.
use super::evidence::{Evidence, Finding};

/// What is to be done with the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Point it at the candidate.
    Flip,
    /// Leave it, for each of these reasons.
    Hold(Vec<String>),
}

/// The verdict on an image.
pub(crate) fn verdict(evidence: &Evidence) -> Verdict {
    let findings: [(&str, Option<&Finding>); 4] = [
        ("the trial on this host", evidence.trial.as_ref()),
        ("the candidate's readiness", evidence.ready.as_ref()),
        ("the smoke suite at the candidate", evidence.smoke.as_ref()),
        ("the watch over the candidate", evidence.watch.as_ref()),
    ];
    let mut reasons: Vec<String> =
        findings.iter().filter_map(|(what, finding)| reason(what, *finding)).collect();
    if evidence.candidate.is_none() {
        reasons.push("no candidate runs".to_owned());
    }
    if reasons.is_empty() { Verdict::Flip } else { Verdict::Hold(reasons) }
}

fn reason(what: &str, finding: Option<&Finding>) -> Option<String> {
    match finding {
        None => Some(format!("{what}: not known")),
        Some(Finding { passed: false, words, .. }) => Some(format!("{what}: {words}")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Candidate;
    use super::*;

    fn finding(passed: bool) -> Option<Finding> {
        Some(Finding { at_s: 1, passed, words: "seen".to_owned() })
    }

    fn good() -> Evidence {
        let address = [192, 0, 2, 1].into();
        Evidence {
            trial: finding(true),
            candidate: Some(Candidate { machine: "web-1".to_owned(), address, since_s: 1 }),
            ready: finding(true),
            smoke: finding(true),
            watch: finding(true),
            ..Evidence::new("1", "c")
        }
    }

    #[test]
    fn only_a_whole_and_good_record_flips() {
        assert_eq!(verdict(&good()), Verdict::Flip);
        let spoil: [fn(&mut Evidence) -> &mut Option<Finding>; 4] =
            [|e| &mut e.trial, |e| &mut e.ready, |e| &mut e.smoke, |e| &mut e.watch];
        for field in spoil {
            for bad in [None, finding(false)] {
                let mut evidence = good();
                *field(&mut evidence) = bad;
                assert!(matches!(verdict(&evidence), Verdict::Hold(reasons) if reasons.len() == 1));
            }
        }
        let lost = Evidence { candidate: None, ..good() };
        assert_eq!(verdict(&lost), Verdict::Hold(vec!["no candidate runs".to_owned()]));
    }

    #[test]
    fn every_reason_is_told() {
        let Verdict::Hold(reasons) = verdict(&Evidence::new("1", "c")) else {
            panic!("a flip without evidence")
        };
        assert_eq!(reasons.len(), 5, "{reasons:?}");
    }

    #[test]
    fn what_was_found_about_one_machine_says_nothing_about_another() {
        let mut evidence = good();
        let mut other = evidence.candidate.clone().unwrap();
        other.since_s += 1;
        evidence.meet(other);
        assert!(matches!(verdict(&evidence), Verdict::Hold(reasons) if reasons.len() == 3));
    }
}
