//! The serial log of a machine: followed for a line, and quoted in errors.
//!
//! It does not interpret what the guest says. Invariant: what is quoted holds no control characters, so that a guest
//! cannot steer the terminal of the person who reads it.
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How much of the end of a log is quoted.
const TAIL_BYTES: u64 = 4096;
/// How many lines of it.
const TAIL_LINES: usize = 25;

/// Follows a log as it grows, line by line.
#[derive(Debug)]
pub(super) struct Follower {
    log: PathBuf,
    offset: u64,
    /// Whole lines that were read and not yet asked for.
    lines: VecDeque<String>,
    /// The last line, not yet ended.
    partial: Vec<u8>,
}

impl Follower {
    pub(super) fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), offset: 0, lines: VecDeque::new(), partial: Vec::new() }
    }

    /// The next whole line, once; `None` while there is none.
    pub(super) fn next_line(&mut self) -> Result<Option<String>> {
        if self.lines.is_empty() {
            self.read_on()?;
        }
        Ok(self.lines.pop_front())
    }

    /// The line that is still being written.
    pub(super) fn partial(&self) -> String {
        printable(&self.partial)
    }

    fn read_on(&mut self) -> Result<()> {
        let fresh = match self.fresh() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            fresh => fresh.with_context(|| format!("cannot read {}", self.log.display()))?,
        };
        self.offset += fresh.len() as u64;
        self.partial.extend(fresh);
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        self.lines.extend(whole[..end].split(|byte| *byte == b'\n').map(printable));
        Ok(())
    }

    fn fresh(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut fresh = Vec::new();
        file.read_to_end(&mut fresh)?;
        Ok(fresh)
    }
}

/// The last lines of a log, indented for an error message.
pub(super) fn tail(log: &Path) -> String {
    let lines = last_bytes(log).map(|bytes| {
        let lines: Vec<String> = bytes.split(|byte| *byte == b'\n').map(printable).collect();
        let kept: Vec<String> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
        kept[kept.len().saturating_sub(TAIL_LINES)..].to_vec()
    });
    match lines {
        Ok(lines) if lines.is_empty() => "    (nothing)".to_owned(),
        Ok(lines) => lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"),
        Err(error) => format!("    (not readable: {error})"),
    }
}

fn last_bytes(log: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Without escape sequences (ECMA-48, CSI form) and other control characters.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            while characters.next_if(|c| !('@'..='~').contains(c)).is_some() {}
            characters.next();
        } else if !character.is_control() || character == '\t' {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_is_seen_once_and_only_when_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        let mut follower = Follower::new(&log);
        assert_eq!(follower.next_line().unwrap(), None);
        let mut file = File::create(&log).unwrap();
        file.write_all(b"one\r\ntwo\nthr").unwrap();
        assert_eq!(follower.next_line().unwrap().unwrap(), "one");
        assert_eq!(follower.next_line().unwrap().unwrap(), "two");
        assert_eq!(follower.next_line().unwrap(), None);
        assert_eq!(follower.partial(), "thr");
        file.write_all(b"ee\n").unwrap();
        assert_eq!(follower.next_line().unwrap().unwrap(), "three");
    }

    #[test]
    fn a_guest_cannot_steer_the_terminal() {
        assert_eq!(printable(b"\x1b[2J\x1b[31;1mred\x1b[0m \x07bell\x1bc \xff"), "red bellc \u{fffd}");
    }

    #[test]
    fn the_tail_is_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n\n")).collect();
        std::fs::write(&log, lines.concat()).unwrap();
        let tail = tail(&log);
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.ends_with("    line 999"));
    }
}
