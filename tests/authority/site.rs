//! The site's machines of a story: the db machine, which stories hand on, and the two web machines.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use image::db::Client;
use image::wait::{Status, wait_until};
use tests::stand::{DB_ON_BRIDGE, Db, Stand, Way, Web};

use super::bridge::{WEB, database, wire};
use super::visitor::Visitor;

/// As the issue has it: within a minute a new certificate is on all machines.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// Seals what lies in the database: 32 bytes of no secret.
pub(super) const STORAGE_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// A host with a dozen busy processes makes an emulated MySQL wait for more than the usual 1.5 s.
const PATIENT: &str = "[limits]\ndatabase_ms = 10000\n";
const MYSQL: u16 = 3306;
/// What may be left of the story before.
const TABLES: [&str; 6] =
    ["certificates", "brought_certificates", "renewals", "acme_accounts", "acme_orders", "acme_challenges"];

/// The db machine, and whoever asks it past the web machines.
pub(super) struct Site {
    pub(super) db: Db,
    pub(super) sql: Client,
}

impl Site {
    /// A database that knows of no certificate.
    pub(super) fn open(stand: &mut Stand) -> Result<Self> {
        let db = stand.db_on(wire(database()?))?;
        let sql = stand.as_site(&db, DB_ON_BRIDGE)?;
        let site = Self { db, sql };
        let known = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'site' AND table_name = 'renewals'";
        if site.sql.ask(known)?.trim() != "0" {
            let forget: Vec<String> =
                TABLES.iter().map(|table| format!("DELETE FROM site.{table};")).collect();
            site.sql.ask(&forget.concat())?;
        }
        Ok(site)
    }

    /// Powers on one web machine.
    pub(super) fn start(&self, stand: &mut Stand, machine: Ipv4Addr, tls: &str) -> Result<Web> {
        let plan = stand.web(Way::Direct, MYSQL, self.db.password()).database_at(DB_ON_BRIDGE);
        plan.connected_to(wire(machine)).secured(tls).configured(PATIENT).start()
    }

    /// Powers on both, and waits until both serve.
    pub(super) fn start_both(&self, stand: &mut Stand, tls: &str) -> Result<[Web; 2]> {
        let mut machines = [self.start(stand, WEB[0], tls)?, self.start(stand, WEB[1], tls)?];
        machines.iter_mut().try_for_each(Web::wait_until_serving)?;
        Ok(machines)
    }

    /// The configuration file of such a machine.
    pub(super) fn config(&self, stand: &Stand, tls: &str) -> Result<Vec<u8>> {
        stand.identity().config(443, Some(tls), Some(DB_ON_BRIDGE), MYSQL, self.db.password())
    }
}

/// Waits until these machines show one and the same certificate, another than `before`.
pub(super) fn all_show(visitor: &Visitor, machines: &[Ipv4Addr], before: &[u8]) -> Result<Vec<u8>> {
    wait_until(MINUTE, "the same new certificate everywhere", || {
        let mut shown = Vec::new();
        for machine in machines {
            match visitor.shown(*machine) {
                Ok(leaf) => shown.push(leaf),
                Err(error) => return Ok(Status::Pending(format!("{error:#}"))),
            }
        }
        let same = shown.windows(2).all(|pair| pair[0] == pair[1]);
        match shown.pop() {
            Some(leaf) if same && leaf != before => Ok(Status::Reached(leaf)),
            _ => Ok(Status::Pending("an old one, or different ones".to_owned())),
        }
    })
}

/// Which of the machines says this, and it alone.
pub(super) fn who_says(machines: &[Web; 2], words: &str) -> Result<usize> {
    wait_until(MINUTE, words, || {
        let says = [machines[0].console()?.contains(words), machines[1].console()?.contains(words)];
        ensure!(says != [true; 2], "both machines say {words:?}");
        Ok(match says.iter().position(|says| *says) {
            Some(machine) => Status::Reached(machine),
            None => Status::Pending("nobody says so".to_owned()),
        })
    })
}
