//! How the certificate stands, as gauges: what an alert needs to be in time.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::certificates::Status;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Host {
    host: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    host: String,
    error: String,
}

/// Families of one: what is not known is not told, for 0 would say 1970.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    not_after: Family<Host, Gauge>,
    last_renewal: Family<Host, Gauge>,
    next_attempt: Family<Host, Gauge>,
    left: Family<Host, Gauge>,
    failures: Family<Host, Gauge>,
    error: Family<Reason, Gauge>,
}

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        let times = [
            ("certificate_not_after_timestamp", "When what is presented ends", &self.not_after),
            ("certificate_last_renewal_timestamp", "When an authority wrote one last", &self.last_renewal),
            ("certificate_next_attempt_timestamp", "When an authority is asked next", &self.next_attempt),
        ];
        for (name, help, family) in times {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
        let help = "Until what is presented ends; negative when it is over";
        registry.register_with_unit("certificate_left", help, Unit::Seconds, self.left.clone());
        let help = "Attempts that failed since the last that did not";
        registry.register("certificate_renewal_failures", help, self.failures.clone());
        registry.register("certificate_error", "Why the last attempt failed", self.error.clone());
    }

    pub(super) fn set(&self, status: Option<&Status>) {
        self.error.clear();
        let Some((status, host)) = status.and_then(|status| Some((status, status.names.first()?))) else {
            return;
        };
        let label = Host { host: host.clone() };
        let values = [
            (&self.not_after, status.not_after_s),
            (&self.last_renewal, status.last_renewal_s),
            (&self.next_attempt, status.next_attempt_s),
            (&self.left, status.left_s),
            (&self.failures, Some(status.failures.into())),
        ];
        for (family, value) in values {
            if let Some(value) = value {
                family.get_or_create(&label).set(value);
            }
        }
        if let Some(error) = &status.last_error {
            self.error.get_or_create(&Reason { host: host.clone(), error: error.clone() }).set(1);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use prometheus_client::encoding::text;

    use super::*;
    use crate::certificates::Source;

    /// Of a certificate that is not renewed, with nothing left out but when one was had last and will be.
    pub(in crate::operations) fn failing() -> Status {
        Status {
            source: Source::Authority,
            names: vec!["www.foobar.com".to_owned()],
            issuer: None,
            not_after_s: Some(1_800_000_000),
            left_s: Some(2_505_600),
            generation: 3,
            last_renewal_s: None,
            next_attempt_s: None,
            failures: 2,
            last_error: Some("it said \"no\"".to_owned()),
            clock_wrong_s: 0,
        }
    }

    #[test]
    fn an_alert_finds_the_end_and_the_last_error_and_no_more_when_it_is_over() {
        let (gauges, mut registry) = (Gauges::default(), Registry::default());
        gauges.register(&mut registry);
        let mut status = failing();
        let told = |status: &Status| {
            let mut text = String::new();
            gauges.set(Some(status));
            text::encode(&mut text, &registry).unwrap();
            text
        };
        let text = told(&status);
        for line in [
            r#"certificate_not_after_timestamp_seconds{host="www.foobar.com"} 1800000000"#,
            r#"certificate_left_seconds{host="www.foobar.com"} 2505600"#,
            r#"certificate_renewal_failures{host="www.foobar.com"} 2"#,
            r#"certificate_error{host="www.foobar.com",error="it said \"no\""} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("certificate_last_renewal_timestamp_seconds{"), "{text}");
        status.last_error = None;
        assert!(!told(&status).contains("certificate_error{"));
    }
}
