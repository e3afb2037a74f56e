//! Ctrl-C and SIGTERM: everything that was started here ends before this program does.
//!
//! It does not tidy files: a half-written one has no final name, and the next run clears it. A machine that was let go
//! is no descendant that matters: `up` lets go as its very last act. Should this program be killed outright, the
//! guard of each machine ends it. Invariant: after an interrupted run no machine of it is left.
use std::fs;
use std::io::Write;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ::image::wait::{Status, wait_until};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// What a shell reports for a program that Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: i32 = 130;
/// Compilers and QEMU end at once when told to; the rest is for one that has to flush.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// Whether this program is on its way to an end from outside.
static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// Sets up the end of this program by SIGINT, SIGTERM or SIGHUP.
pub(crate) fn install() -> Result<()> {
    ctrlc::set_handler(end).context("cannot handle Ctrl-C")
}

/// Called with a failure at hand: if it comes from an interruption, this does not return, for the interruption is what
/// the program ends with.
pub(crate) fn give_way() {
    while UNDER_WAY.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// Tells all that was started here to end, because its result is of no use any more.
pub(crate) fn stop_started() {
    descendants(process::id()).into_iter().for_each(terminate);
}

fn end() {
    UNDER_WAY.store(true, Ordering::SeqCst);
    // A closed terminal is no reason to stop stopping.
    let _ = writeln!(std::io::stderr(), "\ninterrupted: stopping what was started");
    let started = descendants(process::id());
    for id in &started {
        terminate(*id);
    }
    let _ = wait_until(END_DEADLINE, "the end of what was started", || {
        let left = started.iter().filter(|id| parent_of(**id).is_some()).count();
        Ok(if left == 0 { Status::Reached(()) } else { Status::Pending(format!("{left} processes run")) })
    });
    process::exit(INTERRUPTED);
}

fn terminate(id: u32) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It may have ended by itself: then there is nobody to tell.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// All processes that were started by `ancestor` and by those it started; a machine's guard is left out, as it ends
/// with this program.
fn descendants(ancestor: u32) -> Vec<u32> {
    let mut found = vec![ancestor];
    let running = running();
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(running.iter().filter(|(_, its_parent)| *its_parent == parent).map(|(id, _)| *id));
        next += 1;
    }
    found.into_iter().skip(1).filter(|id| !is_guard(*id)).collect()
}

fn running() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, parent_of(id)?))).collect()
}

/// `None` for a process that has ended, a zombie included. Fields of `stat`: proc(5).
fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.next()?.parse().ok()).flatten()
}

fn is_guard(id: u32) -> bool {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == b"bootstack-guard")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn grandchildren_are_found_too() {
        let mut shell = Command::new("sh").args(["-c", "sleep 600 & wait"]).spawn().unwrap();
        let found = wait_until(Duration::from_secs(10), "a grandchild", || {
            let found = descendants(shell.id());
            Ok(if found.is_empty() { Status::Pending("none".to_owned()) } else { Status::Reached(found) })
        });
        let found = found.unwrap();
        assert!(descendants(process::id()).contains(&found[0]));
        found.iter().for_each(|id| terminate(*id));
        shell.wait().unwrap();
    }
}
