//! A part of a file that behaves like a file of its own. Invariant: nothing outside the part is touched.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};

/// The bytes `start..start + len` of a file.
pub(super) struct Window {
    file: File,
    start: u64,
    len: u64,
    at: u64,
}

impl Window {
    pub(super) fn new(file: File, start: u64, len: u64) -> Self {
        Self { file, start, len, at: 0 }
    }

    /// Moves the file to the present position; gives how many of `wanted` bytes lie before the end.
    fn reach(&mut self, wanted: usize) -> Result<usize> {
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let left = usize::try_from(self.len - self.at).unwrap_or(usize::MAX);
        Ok(wanted.min(left))
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let reach = self.reach(buffer.len())?;
        let count = self.file.read(&mut buffer[..reach])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Window {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        let reach = self.reach(buffer.len())?;
        let count = self.file.write(&buffer[..reach])?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

impl Seek for Window {
    fn seek(&mut self, target: SeekFrom) -> Result<u64> {
        let at = match target {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let at = at.filter(|at| *at <= self.len);
        self.at = at.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "seek beyond the partition"))?;
        Ok(self.at)
    }
}
