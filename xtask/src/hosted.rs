//! The service as a process of this host: built by cargo, started with a configuration, ended with its handle.
//!
//! It starts no database. Invariant: cargo becomes the service (exec), so that the process held here is the service itself.
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ::image::wait::{Status, wait_until};
use ::image::{Layout, Optimisation};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::nested;
use crate::visit::{READY, Visitor};

/// Migrations of an empty database are part of it.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Fast to build.
    Dev,
    /// As for a machine, fast to run.
    Machine(Optimisation),
}

/// A running service.
pub(crate) struct Hosted(Child);

/// Compiles it; `false` when the compiler refuses.
pub(crate) fn build(layout: &Layout, profile: Profile) -> Result<bool> {
    let status = cargo(layout, profile, "build").status().context("cannot start cargo")?;
    Ok(status.success())
}

/// The program, for arguments of its own.
fn program(layout: &Layout, profile: Profile) -> Command {
    let mut cargo = cargo(layout, profile, "run");
    cargo.args(["--quiet", "--"]);
    cargo
}

/// The same within `runner`, a program with its arguments that runs another one.
fn program_within(runner: &[&str], layout: &Layout, profile: Profile) -> Command {
    let mut cargo = cargo(layout, profile, "run");
    // A list of texts in quotation marks looks the same in TOML.
    let runner = serde_json::Value::from(runner);
    cargo.args(["--config", &format!("target.x86_64-unknown-linux-gnu.runner={runner}"), "--quiet", "--"]);
    cargo
}

fn cargo(layout: &Layout, profile: Profile, verb: &str) -> Command {
    let mut cargo = nested::command();
    cargo.current_dir(layout.root()).args([verb, "--package", "service", "--bin", "service"]);
    if let Profile::Machine(optimisation) = profile {
        cargo.args(["--profile", optimisation.profile()]);
    }
    cargo
}

/// Adds so many posts to the configured database.
pub(crate) fn seed(layout: &Layout, profile: Profile, config: &Path, posts: u64) -> Result<()> {
    let mut program = program(layout, profile);
    program.args(["seed", &posts.to_string(), "--config"]).arg(config);
    let status = program.status().context("cannot start cargo")?;
    ensure!(status.success(), "the posts were not added ({status})");
    Ok(())
}

impl Hosted {
    /// Starts it; what it logs goes to `log`.
    pub(crate) fn start(layout: &Layout, profile: Profile, config: &Path, log: Stdio) -> Result<Self> {
        Self::spawn(program(layout, profile).arg(config).stdout(log))
    }

    /// The same within another program; what it logs is not kept.
    pub(crate) fn start_within(
        runner: &[&str],
        layout: &Layout,
        profile: Profile,
        config: &Path,
    ) -> Result<Self> {
        Self::spawn(program_within(runner, layout, profile).arg(config).stdout(Stdio::null()))
    }

    fn spawn(program: &mut Command) -> Result<Self> {
        Ok(Self(program.stdin(Stdio::null()).spawn().context("cannot start cargo")?))
    }

    /// Waits until it and its database answer.
    pub(crate) fn await_ready(&mut self, visitor: &Visitor) -> Result<()> {
        let started = Instant::now();
        wait_until(READY_DEADLINE, "the service's readiness", || {
            if let Some(status) = self.ended()? {
                bail!("the service ended ({status})");
            }
            Ok(match visitor.get(READY, started.elapsed()) {
                Ok(200) => Status::Reached(()),
                Ok(status) => Status::Pending(format!("answers {status}")),
                Err(error) => Status::Pending(format!("{error:#}")),
            })
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; a child that was not awaited yet keeps its id.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}
