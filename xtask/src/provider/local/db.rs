//! The box's db machine: started with the first release, and left running for the next ones.
//!
//! Invariant: its volume lies in the box's folder and outlives both.
use std::fs;
use std::time::Duration;

use ::image::db::{self, DbImage};
use ::image::machine::{DbBoot, DbPorts, Machine as Qemu, db as db_spec};
use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result, ensure};
use std::process::{Command, Stdio};

use super::machines::tap;
use super::{DATABASE, folder};
use crate::build::Packages;
use crate::mysql;
use crate::site::Site;

/// As for the stack of `up`: a first boot took over 300 s on a busy host.
const DEADLINE: Duration = Duration::from_secs(900);
/// Printed by the db machine once it accepts logins.
const READY: &str = "bootstack: mysql ready";
const MIB: u64 = 1 << 20;

/// Makes sure that the db machine accepts logins.
pub(crate) fn ensure(layout: &Layout) -> Result<()> {
    let folder = folder(layout).join("db");
    if Qemu::find("db", &folder).is_none() {
        let mut starter = Command::new(std::env::current_exe()?);
        let status = starter.args(["release", "start-db"]).stdin(Stdio::null()).status();
        ensure!(
            status.context("cannot start this program again")?.success(),
            "the db machine could not be started"
        );
    }
    let mut machine = Qemu::find("db", &folder).context("the box's db machine has ended")?;
    let step = progress::start("the box's db machine");
    machine.wait_for_line(DEADLINE, READY)?;
    step.done("accepts logins");
    Ok(())
}

/// Powers it on and lets it go.
pub(crate) fn start(layout: &Layout, stack: &Stack, site: &Site, image: &DbImage) -> Result<()> {
    let room = folder(layout).join("db");
    fs::create_dir_all(&room).with_context(|| format!("cannot create {}", room.display()))?;
    let volume = room.join("volume.raw");
    if !volume.exists() {
        let mysqld = mysql::prepare(layout, Packages::kept())?;
        db::make_volume(&mysqld, &volume, u64::from(stack.db.volume_mib) * MIB)?;
    }
    let boot = DbBoot::Direct {
        kernel: image.kernel.clone(),
        initrd: image.initrd.clone(),
        root: image.root.clone(),
        arguments: image.arguments.clone(),
    };
    let credentials = site.credentials_at(&DATABASE.to_string())?;
    let mut spec = db_spec(&room, stack.db.memory_mib, boot, &volume, credentials, DbPorts { mysql: 0 });
    spec.cpus = stack.db.cpus;
    spec.network = tap(DATABASE.octets()[3]);
    Qemu::start(&spec)?.detach()
}
