//! A text in the zone, by which a certificate authority sees who keeps it (dns-01, RFC 8555, 8.4).
//!
//! Invariant: what is taken away is exactly what was added, so that others' answers under the same name stay.
use std::time::{Duration, Instant};

use ::image::wait::{Status, wait_until};
use anyhow::{Context, Result};

use super::{Zone, update};

/// How often a server that does not have the text yet is asked again.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// A TXT record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The absolute name.
    pub(crate) name: &'a str,
    /// At most 255 bytes.
    pub(crate) value: &'a str,
}

impl Text<'_> {
    /// Puts it into the zone.
    pub(crate) fn add(&self, zone: &Zone) -> Result<()> {
        self.change(zone, true)
    }

    /// Takes it out of the zone.
    pub(crate) fn remove(&self, zone: &Zone) -> Result<()> {
        self.change(zone, false)
    }

    fn change(&self, zone: &Zone, present: bool) -> Result<()> {
        let primary = zone.servers.first().context("the zone has no name server")?;
        let key = zone.key.as_ref().context("no TSIG key: give `records.key`")?;
        update::text(primary, &zone.name, key, self, present)
    }

    /// Waits until every authoritative server has it: an authority may ask any of them.
    pub(crate) fn await_everywhere(&self, zone: &Zone, deadline: Duration) -> Result<()> {
        let mut asked: Option<Instant> = None;
        let mut late = String::new();
        wait_until(deadline, "the text at every authoritative server", || {
            if asked.is_none_or(|at| at.elapsed() >= ASK_INTERVAL) {
                asked = Some(Instant::now());
                late = self.lacking(zone).join("; ");
            }
            Ok(if late.is_empty() { Status::Reached(()) } else { Status::Pending(late.clone()) })
        })
    }

    fn lacking(&self, zone: &Zone) -> Vec<String> {
        let lacks = |server: &super::Server| match server.texts(self.name) {
            Ok(texts) if texts.contains(self.value) => None,
            Ok(_) => Some(format!("{server} does not have it")),
            Err(error) => Some(format!("{error:#}")),
        };
        zone.servers.iter().filter_map(lacks).collect()
    }
}
