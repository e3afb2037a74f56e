//! What is measured, and which ratio the project asks for.
use anyhow::Result;

use super::report::Row;
use super::{instructions, latency, memory, rate, starts};
use crate::bench::stage::Stage;
use crate::bench::stage::subject::Subject;

/// One kind of load: how much of it a server does, or what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Work {
    title: &'static str,
    kind: Kind,
    /// The load; unused by kinds that have their own.
    pub(super) load: Load,
    /// The ratio to the same service on Linux that the project asks for, and to nginx.
    pub(super) asked: [Option<f64>; 2],
}

/// How a work is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answers in a time, as many as a server can give: more is better.
    Rate,
    /// The slowest of a hundred answers at half of the least server's peak rate: less is better.
    Latency,
    /// Instructions for each answer: less is better.
    Instructions,
    /// The smallest memory: less is better.
    Memory,
    /// From power-on to an answer: less is better.
    Start,
}

/// All kinds, in the order in which they are measured.
pub(super) const KINDS: [Kind; 5] =
    [Kind::Rate, Kind::Latency, Kind::Instructions, Kind::Memory, Kind::Start];

/// A load that a generator puts on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) scheme: &'static str,
    pub(super) path: &'static str,
    pub(super) connections: u16,
    /// Whether every request comes over a new connection.
    pub(super) is_new: bool,
    /// The round trip's extra length, in milliseconds.
    pub(super) delay_ms: u32,
}

const PAGE: &str = "/robots.txt";
pub(super) const DOWNLOAD: &str = "/megabyte.bin";
const ROWS: &str = "/";
/// The scheme of what has no server: the kernel answers.
pub(super) const ECHO: &str = "icmp";

impl Load {
    /// Whether an answer takes long by its size.
    pub(super) fn is_download(self) -> bool {
        self.path == DOWNLOAD
    }
}

const fn load(scheme: &'static str, path: &'static str, connections: u16) -> Load {
    Load { scheme, path, connections, is_new: false, delay_ms: 0 }
}

const fn work(title: &'static str, kind: Kind, load: Load, asked: [Option<f64>; 2]) -> Work {
    Work { title, kind, load, asked }
}

const KEEP_ALIVE: [Option<f64>; 2] = [Some(1.5), Some(3.0)];
const TRANSFER: [Option<f64>; 2] = [Some(1.3), None];
const UNASKED: [Option<f64>; 2] = [None, None];

impl Work {
    /// Every work, in the order of the table.
    pub(super) const ALL: [Self; 23] = {
        use Kind::{Instructions, Latency, Memory, Rate, Start};
        let new = Load { is_new: true, ..load("https", PAGE, 8) };
        [
            work("echo", Rate, load(ECHO, "", 1), UNASKED),
            work("http 1", Rate, load("http", PAGE, 1), KEEP_ALIVE),
            work("http 16", Rate, load("http", PAGE, 16), KEEP_ALIVE),
            work("http 256", Rate, load("http", PAGE, 256), KEEP_ALIVE),
            work("https 1", Rate, load("https", PAGE, 1), KEEP_ALIVE),
            work("https 16", Rate, load("https", PAGE, 16), KEEP_ALIVE),
            work("https 256", Rate, load("https", PAGE, 256), KEEP_ALIVE),
            work("handshake 8", Rate, new, TRANSFER),
            work("download 1", Rate, load("https", DOWNLOAD, 1), TRANSFER),
            work("download 16", Rate, load("https", DOWNLOAD, 16), TRANSFER),
            work("far download 1", Rate, Load { delay_ms: 20, ..load("https", DOWNLOAD, 1) }, TRANSFER),
            work("far download 16", Rate, Load { delay_ms: 20, ..load("https", DOWNLOAD, 16) }, TRANSFER),
            work("rows 8", Rate, load("https", ROWS, 8), TRANSFER),
            work("p99 http", Latency, load("http", PAGE, 16), [Some(0.7), None]),
            work("p99 https", Latency, load("https", PAGE, 16), [Some(0.7), None]),
            work("instructions http", Instructions, load("http", PAGE, 16), UNASKED),
            work("instructions https", Instructions, load("https", PAGE, 16), UNASKED),
            work("instructions http 256", Instructions, load("http", PAGE, 256), UNASKED),
            work("instructions handshake", Instructions, new, UNASKED),
            work("instructions download", Instructions, load("https", DOWNLOAD, 4), UNASKED),
            work("instructions rows", Instructions, load("https", ROWS, 8), UNASKED),
            work("memory", Memory, load("https", PAGE, 256), [Some(0.25), None]),
            work("start", Start, load("https", PAGE, 1), [Some(0.13), None]),
        ]
    };

    /// What it is called; `--only` looks for words in it.
    pub(super) fn title(self) -> &'static str {
        self.title
    }

    pub(super) fn kind(self) -> Kind {
        self.kind
    }

    pub(super) fn titles() -> Vec<&'static str> {
        Self::ALL.iter().map(|work| work.title).collect()
    }

    /// nginx has no rows, and shares its machine.
    pub(super) fn subjects(self) -> &'static [Subject] {
        if self.load.path == ROWS
            || self.load.scheme == ECHO
            || matches!(self.kind, Kind::Memory | Kind::Start)
        {
            &[Subject::Web, Subject::Linux]
        } else {
            &[Subject::Web, Subject::Linux, Subject::Nginx]
        }
    }
}

impl Kind {
    /// Whether more is better.
    pub(super) fn is_gain(self) -> bool {
        self == Self::Rate
    }

    /// What its figures count.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Rate => "1/s",
            Self::Latency => "µs",
            Self::Instructions => "instructions",
            Self::Memory => "MiB",
            Self::Start => "s",
        }
    }

    /// Measures works of this kind.
    pub(super) fn measure(
        self,
        stage: &Stage<'_>,
        works: &[Work],
        repetitions: u16,
        seconds: u16,
    ) -> Result<Vec<Row>> {
        match self {
            Self::Rate => rate::measure(stage, works, repetitions, seconds),
            Self::Latency => latency::measure(stage, works, repetitions, seconds),
            Self::Instructions => instructions::measure(stage, works),
            Self::Memory => memory::measure(stage, works),
            Self::Start => starts::measure(stage, works, repetitions),
        }
    }
}
