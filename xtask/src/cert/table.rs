//! What was found, as a table for a person.
use std::time::{SystemTime, UNIX_EPOCH};

use tls::Facts;

use super::Target;
use super::look::Look;

pub(super) fn of(target: &Target, look: &Look) -> String {
    let trusted = match (&look.refused, &target.ca) {
        (Some(reason), _) => format!("NO: {reason}"),
        (None, Some(ca)) => format!("yes, by {}", ca.display()),
        (None, None) => "yes, by the roots that browsers trust".to_owned(),
    };
    let mut rows = vec![
        ("endpoint".to_owned(), format!("{} at {}", target.host, target.address)),
        ("trusted".to_owned(), trusted),
        ("protocols".to_owned(), look.versions.join(", ")),
        ("agreed".to_owned(), look.agreed.clone()),
        ("key exchange".to_owned(), look.groups.join(", ")),
        ("over TLS".to_owned(), look.protocol.clone()),
        ("resumption".to_owned(), if look.resumes { "yes" } else { "no" }.to_owned()),
    ];
    for (index, facts) in look.chain.iter().enumerate() {
        rows.extend(certificate(index + 1, facts, now_s()));
    }
    rows.iter().map(|(name, value)| format!("{name:<14}  {value}\n")).collect()
}

fn certificate(position: usize, facts: &Facts, now_s: i64) -> Vec<(String, String)> {
    let left = (facts.not_after_s - now_s).div_euclid(86_400);
    let serial: String = facts.serial.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut rows = vec![
        (format!("certificate {position}"), facts.subject.clone()),
        ("  names".to_owned(), facts.names.join(", ")),
        ("  issuer".to_owned(), facts.issuer.clone()),
        (
            "  valid".to_owned(),
            format!("{} to {}, {left} days left", date(facts.not_before_s), date(facts.not_after_s)),
        ),
        ("  key".to_owned(), facts.key.clone()),
        ("  serial".to_owned(), serial),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    rows
}

fn date(seconds: i64) -> String {
    Facts::date(seconds)
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_certificate_is_a_few_lines_that_a_person_can_read() {
        let facts = Facts {
            subject: "CN=www.foobar.com".to_owned(),
            issuer: "CN=An issuer".to_owned(),
            names: vec!["www.foobar.com".to_owned(), "foobar.com".to_owned()],
            not_before_s: 1_767_225_600,
            not_after_s: 1_767_225_600 + 90 * 86_400,
            key: "ECDSA P-256".to_owned(),
            serial: vec![1, 0xab],
            authority_key_id: Vec::new(),
            issuer_elsewhere: false,
        };
        let rows = certificate(1, &facts, 1_767_225_600 + 60 * 86_400 + 1);
        let text: String = rows.iter().map(|(name, value)| format!("{name:<14}  {value}\n")).collect();
        expect![[r"
            certificate 1   CN=www.foobar.com
              names         www.foobar.com, foobar.com
              issuer        CN=An issuer
              valid         2026-01-01 00:00 UTC to 2026-04-01 00:00 UTC, 29 days left
              key           ECDSA P-256
              serial        01ab
        "]]
        .assert_eq(&text);
    }
}
