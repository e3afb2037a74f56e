//! What the host must have before anything is built: found out at once, installed on Debian, else reported.
//!
//! It asks programs, not package databases, so it serves any distribution. Invariant: no command that changes the host
//! runs before it was shown, and `--no-install` changes nothing.
use std::io::Write;
use std::process::{Command, Stdio};

use ::image::{Layout, command, progress};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;

mod facts;
mod needs;
mod plan;
mod space;

use facts::Facts;
use needs::Need;
use plan::{Act, Plan};

pub(crate) use needs::Purpose;

/// Flags of every verb that builds.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Flags {
    /// Report what the host lacks instead of installing it
    #[arg(long)]
    no_install: bool,
}

/// Makes sure that the host has what `purposes` need.
pub(crate) fn check(layout: &Layout, purposes: &[Purpose], flags: Flags) -> Result<()> {
    space::check(layout)?;
    let missing = needs::missing(layout, purposes);
    if missing.is_empty() {
        return Ok(());
    }
    report(&missing);
    match plan::plan(&Facts::gather(), &missing.iter().map(|(need, _)| *need).collect::<Vec<_>>()) {
        Plan::Install(acts) if flags.no_install => {
            let lines: Vec<String> = acts.iter().map(ToString::to_string).collect();
            bail!("not installed, as --no-install says; the commands would be:\n  {}", lines.join("\n  "))
        }
        Plan::Install(acts) => install(&acts)?,
        Plan::Advise(lines) => bail!("install what is missing, then try again:\n  {}", lines.join("\n  ")),
    }
    let still: Vec<String> =
        needs::missing(layout, purposes).iter().map(|(need, why)| format!("{}: {why}", need.name)).collect();
    ensure!(still.is_empty(), "still missing after the installation:\n  {}", still.join("\n  "));
    Ok(())
}

fn report(missing: &[(&Need, String)]) {
    eprintln!("this host lacks:");
    for (need, found) in missing {
        eprintln!("  {:<22} {}\n  {:<22} ({found})", need.name, need.why, "");
    }
}

fn install(acts: &[Act]) -> Result<()> {
    eprintln!("installing it:");
    if acts.iter().any(Act::takes_sudo) {
        ask_for_password()?;
    }
    acts.iter().try_for_each(perform)
}

/// sudo asks now, while nothing else writes to the terminal, and remembers the answer for the acts.
fn ask_for_password() -> Result<()> {
    let status = Command::new("sudo").arg("--validate").status().context("cannot start sudo")?;
    ensure!(status.success(), "sudo refused: run the commands above as root, or this command");
    Ok(())
}

fn perform(act: &Act) -> Result<()> {
    eprintln!("  {act}");
    let step = progress::start(act.title());
    let mut command = act.command();
    match act {
        Act::Write { content, .. } => feed(&mut command, content)?,
        Act::Run { .. } => command::run(&mut command)?,
    }
    step.done("");
    Ok(())
}

/// Runs `command` with `content` as its standard input: how a file is written with another user's rights.
fn feed(command: &mut Command, content: &str) -> Result<()> {
    let line = command::line(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {line}"))?;
    let mut input = child.stdin.take().context("no standard input")?;
    input.write_all(content.as_bytes()).with_context(|| format!("{line} reads no input"))?;
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "{line} failed: {status}");
    Ok(())
}
