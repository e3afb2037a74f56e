//! Runs other programs: quietly when they succeed, with the command line and their words when they do not.

use std::env;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Result, anyhow, bail};

/// How many bytes of a failed program's words an error carries, counted from the end.
const TAIL_BYTES: usize = 4000;

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot be started or does not succeed: the command line and the end of what it printed.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs `command` to its end and returns what it wrote to its standard output.
///
/// # Errors
/// As [`run`].
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    finished(command).map(|output| output.stdout)
}

/// Runs `command` to its end and returns what it wrote to its standard error, for one whose status tells nothing.
///
/// # Errors
/// As [`run`].
pub fn complaints(command: &mut Command) -> Result<String> {
    finished(command).map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn finished(command: &mut Command) -> Result<Output> {
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| not_started(command, &error))?;
    let Output { status, stdout, stderr } = &output;
    if !status.success() {
        bail!("{} failed: {status}\n{}{}", line(command), tail(stdout), tail(stderr));
    }
    Ok(output)
}

fn not_started(command: &Command, error: &std::io::Error) -> anyhow::Error {
    let program = command.get_program().display();
    match error.kind() {
        ErrorKind::NotFound => anyhow!("{program} not found: `cargo xtask up` installs what is missing"),
        _ => anyhow!("{program} could not be started: {error}"),
    }
}

/// A nested cargo: `cargo` without the variables that the outer cargo has set for itself, so that it builds as
/// if a person had typed it.
#[must_use]
pub fn cargo(cargo: &Path) -> Command {
    let mut command = Command::new(cargo);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_cargo) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable was set by a running cargo or rustup, or would steer a nested one. Where cargo keeps its
/// registry and how it reaches it stays.
fn belongs_to_cargo(name: &str) -> bool {
    const KEPT: [&str; 3] = ["CARGO_HOME", "CARGO_BUILD_JOBS", "RUSTUP_HOME"];
    let kept = KEPT.contains(&name)
        || ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"]
            .iter()
            .any(|p| name.starts_with(p));
    (name.starts_with("CARGO") || name.starts_with("RUST")) && !kept
}

/// The command line as a person would type it.
#[must_use]
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn tail(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_command_line_and_its_words() {
        let error =
            run(Command::new("sh").args(["-c", "echo 'no space' >&2; exit 3"])).unwrap_err().to_string();
        assert_eq!(error, "sh -c 'echo '\\''no space'\\'' >&2; exit 3' failed: exit status: 3\nno space\n");
    }

    #[test]
    fn a_missing_program_is_named_with_the_remedy() {
        let error = run(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert_eq!(error, "no-such-program not found: `cargo xtask up` installs what is missing");
    }

    #[test]
    fn a_nested_cargo_keeps_its_registry_and_loses_the_rest() {
        assert!(
            belongs_to_cargo("CARGO_MANIFEST_DIR")
                && belongs_to_cargo("RUSTFLAGS")
                && belongs_to_cargo("RUSTUP_TOOLCHAIN")
        );
        assert!(
            !belongs_to_cargo("CARGO_HOME")
                && !belongs_to_cargo("CARGO_HTTP_CAINFO")
                && !belongs_to_cargo("PATH")
        );
    }
}
