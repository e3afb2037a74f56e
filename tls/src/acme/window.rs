//! When to renew: the CA's word (ARI, RFC 9773), or two thirds of the lifetime.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::jws;
use crate::Facts;

/// The time in which a CA wants a certificate renewed, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub start_s: i64,
    /// Not after.
    pub end_s: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Information {
    suggested_window: Suggested,
}

#[derive(Deserialize)]
struct Suggested {
    start: String,
    end: String,
}

impl Window {
    /// Around two thirds of a certificate's lifetime, for a CA that gives no window: from there on for a fiftieth of it,
    /// so that many certificates of one day are not renewed in one minute.
    pub fn by_lifetime(facts: &Facts) -> Self {
        let lifetime_s = facts.not_after_s.saturating_sub(facts.not_before_s).max(0);
        let start_s = facts.not_before_s.saturating_add(lifetime_s / 3 * 2);
        Self { start_s, end_s: start_s.saturating_add(lifetime_s / 50) }
    }

    /// The moment in the window that a random number from 0 to 1 chooses (RFC 9773, 4.2 asks for a random one).
    pub fn moment(&self, chosen: f64) -> i64 {
        let length = self.end_s.saturating_sub(self.start_s).max(0) as f64;
        self.start_s.saturating_add((length * chosen.clamp(0.0, 1.0)) as i64)
    }

    /// The last moment to renew at, whatever a CA says: a tenth of the lifetime is left for a CA that is away then.
    pub fn latest(facts: &Facts) -> i64 {
        let lifetime_s = facts.not_after_s.saturating_sub(facts.not_before_s).max(0);
        facts.not_after_s.saturating_sub(lifetime_s / 10)
    }

    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let information: Information = serde_json::from_slice(body).ok()?;
        let seconds =
            |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp);
        let window = information.suggested_window;
        let (start_s, end_s) = (seconds(&window.start)?, seconds(&window.end)?);
        (start_s <= end_s).then_some(Self { start_s, end_s })
    }
}

/// By what a CA knows a certificate in renewal information: issuer's key and serial number (RFC 9773, 4.1). `None` for a
/// certificate that does not name its issuer's key.
pub fn renewal_id(leaf: &Facts) -> Option<String> {
    let name = |bytes: &[u8]| jws::base64url(bytes);
    (!leaf.authority_key_id.is_empty())
        .then(|| format!("{}.{}", name(&leaf.authority_key_id), name(&leaf.serial)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_and_a_moment_lies_in_it() {
        let body = br#"{"suggestedWindow":{"start":"2026-01-01T00:00:00Z","end":"2026-01-01T01:00:00Z"}}"#;
        let window = Window::parse(body).unwrap();
        assert_eq!(window, Window { start_s: 1_767_225_600, end_s: 1_767_229_200 });
        assert_eq!(
            [0.0, 0.5, 1.0, 7.0].map(|chosen| window.moment(chosen) - window.start_s),
            [0, 1800, 3600, 3600]
        );
        let reversed =
            br#"{"suggestedWindow":{"start":"2026-01-01T01:00:00Z","end":"2026-01-01T00:00:00Z"}}"#;
        assert_eq!(Window::parse(reversed), None);
        assert_eq!(Window::parse(b"{}"), None);
    }

    /// The example of RFC 9773, 4.1.
    #[test]
    fn a_certificate_is_named_as_the_specification_names_its_example() {
        let facts = Facts {
            subject: String::new(),
            issuer: String::new(),
            names: Vec::new(),
            not_before_s: 0,
            not_after_s: 90 * 86_400,
            key: String::new(),
            serial: vec![0x00, 0x87, 0x65, 0x43, 0x21],
            authority_key_id: [0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3]
                .into_iter()
                .chain([0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4])
                .collect(),
            issuer_elsewhere: true,
        };
        assert_eq!(renewal_id(&facts).unwrap(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
        let window = Window::by_lifetime(&facts);
        assert_eq!(window.start_s, 60 * 86_400);
    }
}
