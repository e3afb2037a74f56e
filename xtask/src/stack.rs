//! The stack of this checkout as running machines: where their folders are, how each is started and awaited.
//!
//! It builds nothing. Invariant: a machine that this module returns has reached the state its name says, and dies with
//! its handle until the caller lets it go.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::image::machine::{Accel, DbPorts, Machine, WebPorts, choose, db, web};
use ::image::progress::Step;
use ::image::wait::Status;
use ::image::{Layout, Stack, db as db_image, progress};
use anyhow::{Result, bail};

use crate::build::{Boot, Web};
use crate::endpoint::{self, Endpoint};
use crate::site::{Places, Site};
use crate::visit::{self, Visitor};

/// Printed by the db machine once it accepts logins.
const DB_READY: &str = "bootstack: mysql ready";
/// Logged by the service once it listens.
const WEB_SERVES: &str = "serving";
/// A first boot with a blank volume took 33 s under emulation on a quiet host, and over 300 s on one with six busy
/// compilers on two cores. The console is shown meanwhile, so nobody waits blindly.
const DB_DEADLINE: Duration = Duration::from_secs(900);
/// A boot by UEFI takes some 5 s under emulation on a quiet host.
pub(crate) const WEB_DEADLINE: Duration = Duration::from_secs(90);
/// A guest that works under hardware virtualisation is there within a second; one that does not may hang.
const PROBE_DEADLINE: Duration = Duration::from_secs(15);
/// From power-on to the first answer that has passed through the database: migrations included.
pub(crate) const READY_DEADLINE: Duration = Duration::from_secs(180);

/// The three ports of the host on which a stack is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// HTTPS of the web machine.
    pub(crate) https: u16,
    /// HTTP of the web machine.
    pub(crate) http: u16,
    /// MySQL of the db machine.
    pub(crate) mysql: u16,
}

/// What all machines of one stack have in common.
pub(crate) struct Host<'a> {
    /// Paths.
    pub(crate) layout: &'a Layout,
    /// Sizes.
    pub(crate) stack: &'a Stack,
    /// Identity.
    pub(crate) site: &'a Site,
    /// Ports.
    pub(crate) ports: Ports,
    /// Who executes the guests.
    pub(crate) accel: Accel,
}

/// Folder of the web machine that `up` starts.
pub(crate) fn web_folder(layout: &Layout) -> PathBuf {
    layout.run().join("web")
}

/// Folder of the db machine that `up` starts.
pub(crate) fn db_folder(layout: &Layout) -> PathBuf {
    layout.run().join("db")
}

impl Host<'_> {
    /// Starts the db machine; it does not accept logins yet.
    pub(crate) fn start_db(
        &self,
        folder: &Path,
        image: &db_image::DbImage,
        boot: Boot,
        volume: &Path,
    ) -> Result<Machine> {
        let ports = DbPorts { mysql: self.ports.mysql };
        let boot = boot.of_db(image);
        let mut spec = db(folder, self.stack.db.memory_mib, boot, volume, self.site.credentials()?, ports);
        spec.cpus = self.stack.db.cpus;
        spec.accel = self.accel;
        Machine::start(&spec)
    }

    /// Starts a web machine with `cpus` virtual CPUs; it does not serve yet.
    pub(crate) fn start_web(&self, folder: &Path, parts: &Web, boot: Boot, cpus: u32) -> Result<Machine> {
        let config = self.site.config(&Places::in_guest(self.ports.https, self.ports.mysql))?;
        let ports = WebPorts { http: self.ports.http, https: self.ports.https };
        let mut spec = web(folder, self.stack.web.memory_mib, boot.of_web(parts, folder, &config)?, ports);
        spec.cpus = cpus;
        spec.accel = self.accel;
        Machine::start(&spec)
    }

    /// A visitor of the web machine.
    pub(crate) fn visitor(&self) -> Result<Visitor> {
        Visitor::new(&self.stack.host, self.ports.https, self.site.root())
    }
}

/// Waits until the db machine accepts logins; `step` shows its console meanwhile.
pub(crate) fn await_db(machine: &mut Machine, step: &Step) -> Result<()> {
    let mut last = String::new();
    machine.wait_for(DB_DEADLINE, &format!("the line {DB_READY:?}"), |machine| {
        while let Some(line) = machine.next_line()? {
            if line.contains(DB_READY) {
                return Ok(Status::Reached(()));
            }
            step.update(&line);
            last = line;
        }
        Ok(Status::Pending(last.clone()))
    })
}

/// Waits until the web machine says that it listens.
pub(crate) fn await_serving(machine: &mut Machine) -> Result<()> {
    machine.wait_for_line(WEB_DEADLINE, WEB_SERVES).map(drop)
}

/// Hardware virtualisation if a web machine has come up under it, else software emulation; says which and why.
pub(crate) fn accelerator(
    layout: &Layout,
    stack: &Stack,
    site: &Site,
    parts: &Web,
    ports: Ports,
) -> Result<Accel> {
    let choice = choose(layout, || {
        let host = Host { layout, stack, site, ports, accel: Accel::Kvm };
        let mut machine = host.start_web(&layout.run().join("probe"), parts, Boot::Direct, 1)?;
        await_ok(&mut machine, &host.visitor()?, visit::LIVES, PROBE_DEADLINE)
    })?;
    progress::note(choice.reason);
    Ok(choice.accel)
}

/// Waits until a verified visit of `path` is answered with 200.
pub(crate) fn await_ok(
    machine: &mut Machine,
    visitor: &Visitor,
    path: &str,
    deadline: Duration,
) -> Result<()> {
    let started = Instant::now();
    machine.wait_for(deadline, &format!("an answer 200 to {path}"), |_| {
        Ok(match visitor.get(path, started.elapsed()) {
            Ok(200) => Status::Reached(()),
            Ok(status) => Status::Pending(format!("answer {status}")),
            Err(error) => Status::Pending(format!("{error:#}")),
        })
    })
}

/// Waits until the whole stack answers.
pub(crate) fn await_ready(machine: &mut Machine, visitor: &Visitor, deadline: Duration) -> Result<()> {
    await_ok(machine, visitor, visit::READY, deadline)
}

/// Refuses while machines of this checkout run; clears what crashed ones left.
pub(crate) fn refuse_running(layout: &Layout) -> Result<()> {
    for (name, folder) in [("web", web_folder(layout)), ("db", db_folder(layout))] {
        if let Some(machine) = Machine::find(name, &folder) {
            let id = machine.process_id();
            let at =
                Endpoint::read(&endpoint::path(layout)).map(|endpoint| format!(", at {}", endpoint.url()));
            bail!(
                "the {name} machine of this checkout runs already (process {id}{}): stop it with `cargo xtask down`",
                at.unwrap_or_default()
            );
        }
        if Machine::left_traces(&folder) {
            progress::note(format!("the {name} machine of an earlier run ended without `down`"));
            Machine::clear_traces(&folder)?;
        }
    }
    Ok(())
}
