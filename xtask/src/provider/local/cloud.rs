//! The box itself: made, entered and taken down.
//!
//! A shell in a user and network namespace of its own holds it; whoever works inside is this very program, started again
//! there. Invariant: the box is found by its holder's command line, never by a process id alone.
use std::convert::Infallible;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ::image::machine::Machine as Qemu;
use ::image::wait::{Status, wait_until};
use ::image::{Layout, progress};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{DATABASE, Local, NUMBERS, address, folder, servers};
use crate::dns::Key;
use crate::provider::Provider;
use crate::tools::Tools;

const SCRIPT: &str = include_str!("cloud.sh");
/// Marks the holder's command line.
const MARK: &str = "bootstack-cloud";
/// Set for this program inside the box.
const INSIDE: &str = "BOOTSTACK_INSIDE";
/// Two name servers and a bridge are up within a second; a busy host takes longer.
const START_DEADLINE: Duration = Duration::from_secs(60);
const END_DEADLINE: Duration = Duration::from_secs(20);
/// MySQL flushes and the volume is unmounted: some 5 s under emulation.
const DB_DEADLINE: Duration = Duration::from_secs(180);

/// Whether this program runs in the box.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// The key by which the box's primary knows us.
pub(crate) fn key(layout: &Layout) -> Result<Key> {
    Key::read(&folder(layout).join(servers::KEY))
}

/// Becomes this program with the same arguments inside the box, which is made if it is not there: the same process, so that
/// whoever ends it ends the release. Returns only if that fails.
pub(crate) fn enter(layout: &Layout, zone: &str) -> Result<Infallible> {
    let holder = match holder(layout) {
        Some(holder) => holder,
        None => make(layout, zone)?,
    };
    let mut again = Command::new("nsenter");
    again.args(["--user", "--net", "--preserve-credentials", "--target"]).arg(holder.to_string()).arg("--");
    again.arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(INSIDE, "1");
    Err(again.exec()).context("cannot start nsenter (package util-linux)")
}

/// The process that holds the box.
fn holder(layout: &Layout) -> Option<u32> {
    let folder = folder(layout);
    let id: u32 = fs::read_to_string(folder.join("ready")).ok()?.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let ours = words.contains(&MARK.as_bytes()) && words.contains(&folder.as_os_str().as_encoded_bytes());
    ours.then_some(id)
}

fn make(layout: &Layout, zone: &str) -> Result<u32> {
    let step = progress::start("the box: bridge, DHCP, name servers");
    let tools = Tools::open(layout)?;
    let folder = folder(layout);
    servers::write(&folder, zone)?;
    let ready = folder.join("ready");
    for stale in [ready, folder.join(address::LED)] {
        let _ = fs::remove_file(stale);
    }
    let mut command = holder_command(&tools, &folder)?;
    let mut child = command.spawn().context("cannot start unshare (package util-linux)")?;
    let id = wait_until(START_DEADLINE, "the box", || {
        if let Some(holder) = holder(layout) {
            return Ok(Status::Reached(holder));
        }
        match child.try_wait()? {
            Some(status) if !status.success() => {
                let said = fs::read_to_string(folder.join("box.log")).unwrap_or_default();
                bail!("this host lets no user make a network namespace ({status}): {said}")
            }
            _ => Ok(Status::Pending("it starts".to_owned())),
        }
    })?;
    step.done(format!("namespace of process {id}"));
    Ok(id)
}

/// `setsid --fork` lets the holder be nobody's child: it outlives this program, whatever ends it.
fn holder_command(tools: &Tools, folder: &Path) -> Result<Command> {
    let log = fs::File::create(folder.join("box.log")).context("cannot write the box's log")?;
    let numbers = NUMBERS.chain([DATABASE.octets()[3]]).map(|number| number.to_string());
    let (dnsmasq, knotd, nft) = (tools.command("dnsmasq")?, tools.command("knotd")?, tools.command("nft")?);
    let mut command = Command::new("setsid");
    command.args(["--fork", "unshare", "--user", "--map-root-user", "--net", "sh", "-c", SCRIPT, MARK]);
    command.arg(folder).arg(numbers.collect::<Vec<_>>().join(" "));
    command.arg(dnsmasq.get_program()).arg(knotd.get_program()).arg(nft.get_program());
    command.envs(dnsmasq.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    Ok(command)
}

/// Stops every machine in the box, the db machine cleanly, and the box. Says whether there was one.
pub(crate) fn take_down(layout: &Layout) -> Result<bool> {
    let folder = folder(layout);
    let mut local = Local::new(layout, false);
    let machines = local.list()?;
    for machine in &machines {
        if let Some(mut qemu) = Qemu::find("web", &folder.join("machines").join(&machine.name)) {
            qemu.cut()?;
        }
        local.stop(&machine.name)?;
    }
    if let Some(mut db) = Qemu::find("db", &folder.join("db")) {
        let step = progress::start("the box's db machine stops");
        db.power_down(DB_DEADLINE)
            .context("MySQL is still shutting down and was left alone: run `down` again")?;
        step.done("");
    }
    let Some(id) = holder(layout) else { return Ok(!machines.is_empty()) };
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id")?;
    kill_process(pid, Signal::TERM).context("cannot end the box")?;
    wait_until(END_DEADLINE, "the end of the box", || {
        Ok(if holder(layout).is_none() { Status::Reached(()) } else { Status::Pending("it runs".to_owned()) })
    })?;
    ensure!(holder(layout).is_none(), "the box still runs (process {id})");
    Ok(true)
}
