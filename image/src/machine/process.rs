//! A QEMU process that may outlive the program that started it.
//!
//! It does not know what the process does. Invariant: a signal reaches only the process that was started: its
//! identity is process id, start time and the host's boot, so a recycled id is never killed.
use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::path::Path;

/// Which process, beyond doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Process id.
    pub(super) id: u32,
    /// Start time in clock ticks after the host's boot (proc(5), field 22 of `stat`).
    pub(super) start_ticks: u64,
    /// The host's boot, from `/proc/sys/kernel/random/boot_id`.
    boot: String,
}

impl Identity {
    /// The identity of the living process `id`.
    pub(super) fn of(id: u32) -> Result<Self> {
        let start_ticks = living(id).with_context(|| format!("process {id} is gone"))?;
        Ok(Self { id, start_ticks, boot: host_boot()? })
    }

    /// Reads a pid file; `None` where there is none, or none that was written whole.
    pub(super) fn read(pid_file: &Path) -> Option<Self> {
        let text = fs::read_to_string(pid_file).ok()?;
        let mut words = text.split_whitespace();
        let id = words.next()?.parse().ok()?;
        let start_ticks = words.next()?.parse().ok()?;
        Some(Self { id, start_ticks, boot: words.next()?.to_owned() })
    }

    /// Writes the pid file.
    pub(super) fn write(&self, pid_file: &Path) -> Result<()> {
        let line = format!("{} {} {}\n", self.id, self.start_ticks, self.boot);
        crate::layout::replace_with(pid_file, line.as_bytes())
    }

    /// Whether this very process still runs; a zombie does not.
    pub(super) fn is_alive(&self) -> bool {
        living(self.id) == Some(self.start_ticks) && host_boot().is_ok_and(|boot| boot == self.boot)
    }

    /// Kills the process as a power cut would; no error when it has ended already.
    pub(super) fn kill(&self) -> Result<()> {
        let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) else { return Ok(()) };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
        // The handle pins the process: what the check below sees is what the signal reaches.
        if !self.is_alive() {
            return Ok(());
        }
        match pidfd_send_signal(handle, Signal::KILL) {
            Err(error) if error != rustix::io::Errno::SRCH => {
                Err(error).with_context(|| format!("cannot kill process {}", self.id))
            }
            _ => Ok(()),
        }
    }
}

/// Start time of the process, unless it is gone or a zombie.
fn living(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything, spaces and parentheses too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(start_ticks)
}

/// Names this boot of the host.
pub(super) fn host_boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?.trim().to_owned())
}

/// Memory of the host that the process occupies.
pub(super) fn resident_kib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn a_pid_file_finds_its_process_again_and_kills_it() {
        let mut child = sleeper();
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        Identity::of(child.id()).unwrap().write(&pid_file).unwrap();
        let found = Identity::read(&pid_file).unwrap();
        assert!(found.is_alive());
        found.kill().unwrap();
        child.wait().unwrap();
        assert!(!found.is_alive());
        found.kill().unwrap();
    }

    #[test]
    fn a_recycled_process_id_is_never_killed() {
        let mut child = sleeper();
        let mut other = Identity::of(child.id()).unwrap();
        other.start_ticks -= 1;
        assert!(!other.is_alive());
        other.kill().unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the process was killed");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_damaged_pid_file_is_no_process() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        for text in ["", "12", "12 x y", "\u{fffd}"] {
            fs::write(&pid_file, text).unwrap();
            assert_eq!(Identity::read(&pid_file), None, "{text:?}");
        }
    }
}
