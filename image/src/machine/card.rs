//! Breaks a running machine's network card from outside, as a host does that loses it: the card then asks for a reset.
//!
//! It goes by QEMU's debugger port (the remote protocol of GDB's manual, appendix E), opened for the moment. Invariant: the
//! machine runs when it returns well, and only the card's own table was changed.
use super::{names, qmp};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The queue of frames that arrive (virtio 1.2, 5.1.2), and where a descriptor has its length (2.7.5).
const RECEIVE: u64 = 0;
const DESCRIPTOR_BYTES: u64 = 16;
const LENGTH_AT: u64 = 8;
/// An answer comes within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Takes the length of every buffer for frames that arrive: at the next one QEMU gives the card up.
pub(super) fn break_card(folder: &Path) -> Result<()> {
    let (table, size) = receive_table(folder)?;
    monitor(folder, &format!("gdbserver unix:{},server=on,wait=off", names::DEBUG_SOCKET))?;
    let mut debugger = Debugger::connect(folder)?;
    debugger.ask("Qqemu.PhyMemMode:1")?;
    for slot in 0..size {
        debugger.ask(&format!("M{:x},4:00000000", table + DESCRIPTOR_BYTES * slot + LENGTH_AT))?;
    }
    debugger.ask("D")?;
    monitor(folder, "gdbserver none")
}

fn receive_table(folder: &Path) -> Result<(u64, u64)> {
    let devices = qmp::execute(folder, "x-query-virtio")?;
    let mut devices = devices.as_array().into_iter().flatten();
    let card =
        devices.find(|device| device["name"] == "virtio-net").context("there is no virtio-net card")?;
    let queue = json!({ "path": card["path"], "queue": RECEIVE });
    let status = qmp::execute_with(folder, "x-query-virtio-queue-status", &queue)?;
    let number =
        |name: &str| status.get(name).and_then(Value::as_u64).with_context(|| format!("no {name}: {status}"));
    Ok((number("vring-desc")?, number("vring-num")?))
}

fn monitor(folder: &Path, command: &str) -> Result<()> {
    qmp::execute_with(folder, "human-monitor-command", &json!({ "command-line": command })).map(drop)
}

struct Debugger(UnixStream);

impl Debugger {
    /// The machine stands still from here on until it is let go.
    fn connect(folder: &Path) -> Result<Self> {
        let opened = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
        let path = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), names::DEBUG_SOCKET);
        let stream = UnixStream::connect(path).context("cannot connect to QEMU's debugger port")?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(stream))
    }

    fn ask(&mut self, command: &str) -> Result<()> {
        let sum = command.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "+${command}#{sum:02x}").context("QEMU's debugger port takes no command")?;
        let answer = self.packet()?;
        ensure!(answer == "OK", "QEMU's debugger port answers {answer:?} to {command}");
        Ok(())
    }

    /// What lies between `$` and `#`; the sum behind it is QEMU's own.
    fn packet(&mut self) -> Result<String> {
        let mut packet = String::new();
        while self.byte()? != b'$' {}
        loop {
            match self.byte()? {
                b'#' => return Ok(packet),
                byte => packet.push(char::from(byte)),
            }
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).context("QEMU's debugger port does not answer")?;
        Ok(byte[0])
    }
}
