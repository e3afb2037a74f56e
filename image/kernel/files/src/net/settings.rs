//! What an application asked of a TCP socket: the options that have an effect here, and their limits.
//!
//! It changes no connection; `connection` does as it is told here.
//!
//! Invariant: every value that `set` took is within what a connection can keep.

/// Options by their numbers: `hermit-abi`'s for the socket's level, Linux's for TCP's.
const SO_KEEPALIVE: i32 = 0x0008;
const SO_LINGER: i32 = 0x0080;
const SO_SNDBUF: i32 = 0x1001;
const SO_RCVBUF: i32 = 0x1002;
const TCP_NODELAY: i32 = 1;
const TCP_KEEPIDLE: i32 = 4;
const TCP_USER_TIMEOUT: i32 = 18;

/// Buffers are never smaller: what a SYN promises.
pub(crate) const LEAST_BUFFER_BYTES: usize = 8 << 10;
/// The receive window never grows beyond this; a window shift of 3 can express it.
pub(crate) const LARGEST_RECEIVE_BYTES: usize = 256 << 10;
/// What one connection may queue while memory is ample: 20 ms of delay at 50 MB/s.
pub(crate) const LARGEST_SEND_BYTES: usize = 1 << 20;

/// An idle peer is asked whether it lives.
const KEEP_ALIVE_S: u32 = 30;
/// A peer that says nothing for so long though asked is gone. Longer than a minute's outage of the database's network.
const SILENCE_MS: u32 = 120_000;
/// The longest of both times.
const LONGEST_S: u32 = 24 * 3600;
/// How long a closed connection may take to end.
const LINGER_S: u32 = 30;

/// Whose options they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// `SOL_SOCKET`.
    Socket,
    /// `IPPROTO_TCP`.
    Tcp,
}

/// What becomes of a connection that its descriptor closed. Closing never waits, whatever is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Linger {
    /// It ends by itself, within the usual time.
    Usual,
    /// It ends by itself within so many seconds, or else by a reset; zero is a reset at once.
    Seconds(u32),
}

/// Why an option was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// It would have no effect here.
    Unknown,
    /// Too few bytes, or a value that means nothing.
    Invalid,
}

/// The options of one socket. Those of a listener pass to the connections that it accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    /// Whether small writes are sent at once, without waiting for the previous one's acknowledgement (Nagle).
    pub(crate) is_nodelay: bool,
    is_kept_alive: bool,
    keep_alive_s: u32,
    silence_ms: u32,
    /// What becomes of it when it is closed.
    pub(crate) linger: Linger,
    /// What may be queued to be sent, in bytes.
    pub(crate) most_sent: usize,
    /// What may be received and not yet read, in bytes.
    pub(crate) most_received: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            is_nodelay: false,
            is_kept_alive: true,
            keep_alive_s: KEEP_ALIVE_S,
            silence_ms: SILENCE_MS,
            linger: Linger::Usual,
            most_sent: LARGEST_SEND_BYTES,
            most_received: LARGEST_RECEIVE_BYTES,
        }
    }
}

impl Settings {
    /// Takes an option's value as the application wrote it.
    pub(crate) fn set(&mut self, level: Level, option: i32, bytes: &[u8]) -> Result<(), Refusal> {
        let number = number(bytes, 0).ok_or(Refusal::Invalid)?;
        match (level, option) {
            (Level::Tcp, TCP_NODELAY) => self.is_nodelay = number != 0,
            (Level::Socket, SO_KEEPALIVE) => self.is_kept_alive = number != 0,
            (Level::Tcp, TCP_KEEPIDLE) => self.keep_alive_s = positive(number, LONGEST_S)?,
            (Level::Tcp, TCP_USER_TIMEOUT) if number == 0 => self.silence_ms = SILENCE_MS,
            (Level::Tcp, TCP_USER_TIMEOUT) => self.silence_ms = positive(number, LONGEST_S * 1000)?,
            (Level::Socket, SO_LINGER) => self.linger = linger(number, bytes)?,
            (Level::Socket, SO_SNDBUF) => self.most_sent = size(number, LARGEST_SEND_BYTES),
            (Level::Socket, SO_RCVBUF) => self.most_received = size(number, LARGEST_RECEIVE_BYTES),
            _ => return Err(Refusal::Unknown),
        }
        Ok(())
    }

    /// An option's value, one number or, for `SO_LINGER`, two.
    pub(crate) fn get(&self, level: Level, option: i32) -> Result<[i32; 2], Refusal> {
        let one = |number: u32| Ok([number.cast_signed(), 0]);
        match (level, option) {
            (Level::Tcp, TCP_NODELAY) => one(self.is_nodelay.into()),
            (Level::Socket, SO_KEEPALIVE) => one(self.is_kept_alive.into()),
            (Level::Tcp, TCP_KEEPIDLE) => one(self.keep_alive_s),
            (Level::Tcp, TCP_USER_TIMEOUT) => one(self.silence_ms),
            (Level::Socket, SO_LINGER) => match self.linger {
                Linger::Usual => Ok([0, 0]),
                Linger::Seconds(seconds) => Ok([1, seconds.cast_signed()]),
            },
            (Level::Socket, SO_SNDBUF) => one(self.most_sent as u32),
            (Level::Socket, SO_RCVBUF) => one(self.most_received as u32),
            _ => Err(Refusal::Unknown),
        }
    }

    /// After how many seconds of silence the peer is asked whether it lives; `None` is never.
    pub(crate) fn keep_alive_s(&self) -> Option<u64> {
        self.is_kept_alive.then_some(self.keep_alive_s.into())
    }

    /// After how many milliseconds without an answer the peer is gone.
    pub(crate) fn silence_ms(&self) -> u64 {
        self.silence_ms.into()
    }

    /// How many seconds a closed connection may take to end; `None` is none at all: it is reset.
    pub(crate) fn end_within_s(&self) -> Option<u64> {
        match self.linger {
            Linger::Usual => Some(LINGER_S.into()),
            Linger::Seconds(0) => None,
            Linger::Seconds(seconds) => Some(seconds.into()),
        }
    }
}

fn number(bytes: &[u8], index: usize) -> Option<i32> {
    let word = bytes.get(4 * index..4 * index + 4)?;
    Some(i32::from_ne_bytes(*word.first_chunk()?))
}

fn positive(number: i32, most: u32) -> Result<u32, Refusal> {
    match u32::try_from(number) {
        Ok(number @ 1..) if number <= most => Ok(number),
        _ => Err(Refusal::Invalid),
    }
}

/// A closed connection keeps its memory, so nobody may keep one for longer than usual.
fn linger(is_on: i32, bytes: &[u8]) -> Result<Linger, Refusal> {
    let seconds = number(bytes, 1).and_then(|seconds| u32::try_from(seconds).ok()).ok_or(Refusal::Invalid)?;
    Ok(if is_on == 0 { Linger::Usual } else { Linger::Seconds(seconds.min(LINGER_S)) })
}

/// A size out of range becomes the nearest within, as on Linux (socket(7)).
fn size(number: i32, largest: usize) -> usize {
    usize::try_from(number).unwrap_or(0).clamp(LEAST_BUFFER_BYTES, largest)
}
