//! The zone that the site's names are in: its servers, its primary, the key.
//!
//! Invariant: the records are read from every server, and a state on which they do not agree is never built upon.
use anyhow::{Context, Result, ensure};

use super::{Key, Names, Records, Server, update};

/// A zone that can be read, and, with a key, changed.
pub(crate) struct Zone {
    /// The zone's absolute name.
    pub(crate) name: String,
    /// Every authoritative server; the first takes updates.
    pub(crate) servers: Vec<Server>,
    /// By which the first server knows us; without it, a person changes the zone.
    pub(crate) key: Option<Key>,
    /// The site's names.
    pub(crate) names: Names,
}

impl Zone {
    /// What all servers say of the site's names.
    ///
    /// Fails with every server that cannot be asked or says something else than the first.
    pub(crate) fn records(&self) -> Result<Records> {
        let names = self.names.all();
        let said: Vec<_> = self.servers.iter().map(|server| (server, server.records(&names))).collect();
        let silent: Vec<String> =
            said.iter().filter_map(|(_, said)| Some(format!("{:#}", said.as_ref().err()?))).collect();
        ensure!(silent.is_empty(), "{}", silent.join("; "));
        let mut said = said.into_iter().filter_map(|(server, said)| Some((server, said.ok()?)));
        let (first, records) = said.next().context("the zone has no name server")?;
        for (server, other) in said {
            ensure!(
                other == records,
                "{server} is behind: it answers {other}, but {first} answers {records}; mend the zone transfer"
            );
        }
        Ok(records)
    }

    /// Changes the site's records from `before` to `after` in one step at the primary.
    ///
    /// Fails with [`super::Refused`] when the server refuses; nothing is changed then.
    pub(crate) fn update(&self, before: &Records, after: &Records) -> Result<()> {
        let primary = self.servers.first().context("the zone has no name server")?;
        let key = self.key.as_ref().context("no TSIG key: give `dns.key`, or use --dns manual")?;
        update::update(primary, &self.name, key, &self.names.all(), before, after)
    }
}
