//! A provider behind an executable of the person's own: the contract is in `xtask/providers/README.md`.
//!
//! It runs `PROGRAM VERB [WORD…]`, reads one JSON value from standard output, and knows no cloud. Invariant: a secret reaches the
//! executable by standard input only, never by its command line.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ::image::command::line;
use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

use super::{Machine, Provider, Reserved, machine_name};

/// What an executable ends with when it does not have a verb that it need not have (BSD's sysexits: EX_UNAVAILABLE).
const UNAVAILABLE: i32 = 69;

/// Machines kept by an executable.
pub(crate) struct Commanded {
    program: PathBuf,
}

impl Commanded {
    pub(crate) fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// What the verb printed; `None` when the executable does not have it.
    fn ask(&self, words: &[&str], input: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let title = line(&command);
        let mut child = command.spawn().with_context(|| format!("cannot start {title}"))?;
        let mut pipe = child.stdin.take().context("no standard input")?;
        // An executable that reads no input closes it early, which is its right.
        let _ = pipe.write_all(input);
        drop(pipe);
        let output = child.wait_with_output().with_context(|| format!("{title} cannot be awaited"))?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout)),
            Some(UNAVAILABLE) => Ok(None),
            _ => bail!("{title} failed: {}", output.status),
        }
    }

    fn must(&self, words: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let said = self.ask(words, input)?;
        said.with_context(|| format!("{} does not have the verb {}", self.program.display(), words[0]))
    }

    fn value<T: DeserializeOwned>(&self, verb: &str, said: &[u8]) -> Result<T> {
        serde_json::from_slice(said).with_context(|| {
            format!(
                "{} {verb} printed {:?}",
                self.program.display(),
                String::from_utf8_lossy(&said[..said.len().min(200)])
            )
        })
    }
}

impl Provider for Commanded {
    fn lacks(&mut self) -> Vec<String> {
        self.list().err().map(|error| format!("the provider: {error:#}")).into_iter().collect()
    }

    fn place_image(&mut self, image: &Path, sum: &str) -> Result<()> {
        self.must(&["place-image", sum, &image.to_string_lossy()], &[]).map(drop)
    }

    fn keep_images(&mut self, sums: &[String]) -> Result<()> {
        let words: Vec<&str> =
            std::iter::once("keep-images").chain(sums.iter().map(String::as_str)).collect();
        self.ask(&words, &[]).map(drop)
    }

    fn start(&mut self, sum: &str, configuration: &[u8]) -> Result<Machine> {
        let said = self.must(&["start", &machine_name(sum), sum], configuration)?;
        self.value("start", &said)
    }

    fn list(&mut self) -> Result<Vec<Machine>> {
        let said = self.must(&["list"], &[])?;
        self.value("list", &said)
    }

    fn stop(&mut self, machine: &str) -> Result<()> {
        self.must(&["stop", machine], &[]).map(drop)
    }

    fn reserved(&mut self) -> Result<Option<Reserved>> {
        self.ask(&["address"], &[])?.map(|said| self.value("address", &said)).transpose()
    }

    fn lead(&mut self, machine: &str) -> Result<()> {
        self.must(&["address", machine], &[]).map(drop)
    }
}

#[cfg(test)]
mod tests;
