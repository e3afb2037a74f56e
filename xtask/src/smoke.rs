//! The smoke suite as a program: built ahead, then run against an endpoint.
//!
//! What it claims is the `tests` room's business. Invariant: it is told of the endpoint by a file and of nothing else.
use std::path::{Path, PathBuf};
use std::process::Command;

use ::image::{Layout, command};
use anyhow::{Context, Result};

use crate::nested;

/// Names the file that says where the suite points.
const ENDPOINT: &str = "BOOTSTACK_ENDPOINT";

/// A built suite.
pub(crate) struct Suite {
    program: PathBuf,
    root: PathBuf,
}

/// Compiles the suite and finds the program.
pub(crate) fn build(layout: &Layout) -> Result<Suite> {
    let mut cargo = nested::command();
    cargo.current_dir(layout.root());
    cargo.args(["test", "--package", "tests", "--test", "smoke", "--no-run", "--message-format", "json"]);
    let messages = command::output(&mut cargo).context("cannot compile the smoke suite")?;
    let program = program(&String::from_utf8_lossy(&messages)).context("cargo names no smoke suite")?;
    Ok(Suite { program, root: layout.root().to_owned() })
}

impl Suite {
    /// Judges the endpoint that the file describes; returns the suite's own closing words.
    pub(crate) fn judge(&self, endpoint: &Path) -> Result<String> {
        let mut suite = Command::new(&self.program);
        suite.current_dir(&self.root).env(ENDPOINT, endpoint);
        let words = command::output(&mut suite).context("the stack runs, but the smoke suite refuses it")?;
        Ok(closing(&String::from_utf8_lossy(&words)))
    }
}

/// The program among cargo's messages (JSON lines, `cargo build --message-format`).
fn program(messages: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_suite = message["target"]["name"] == "smoke";
        is_suite.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    })
}

fn closing(words: &str) -> String {
    let result = words.lines().rev().find_map(|line| line.strip_prefix("test result: "));
    result.and_then(|result| result.split(';').next()).unwrap_or("passed").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = "{\"target\":{\"name\":\"tests\"},\"executable\":null}\nnot json\n\
            {\"target\":{\"name\":\"smoke\"},\"executable\":\"/a b/smoke-1\"}\n{\"reason\":\"build-finished\"}\n";
        assert_eq!(program(messages), Some(PathBuf::from("/a b/smoke-1")));
        assert_eq!(program("{\"reason\":\"build-finished\"}"), None);
    }

    #[test]
    fn the_closing_words_are_the_suites_own() {
        let words = "running 9 tests\n\ntest result: ok. 9 passed; 0 failed; 0 ignored; finished in 1.2s\n";
        assert_eq!(closing(words), "ok. 9 passed");
    }
}
