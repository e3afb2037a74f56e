//! The same comparison between machines: the web machine beside nginx in a Linux machine, each in an emulated processor.
//!
//! What counts is the processor time of the machine, kernel and network included, and the memory that it has left. Both
//! say that themselves, by the service's figures; in the Linux machine the service runs beside nginx and tells of both.
//! Invariant: every measurement is of machines that were just started, in turns.
use std::time::{Duration, Instant};

use ::image::machine::Machine;
use ::image::progress;
use ::image::wait::{Status, wait_until};
use anyhow::{Context, Result};

use super::visitor::{Kind, Visitor};
use super::{Report, WARM_UP, per_second};
use crate::bench::stage::Stage;
use crate::bench::stage::subject::Subject;

const SUBJECTS: [Subject; 2] = [Subject::Web, Subject::Nginx];
/// Memory that does not change by more for so long is settled: connections that fell silent have given back what they do
/// not need, and a machine that just started has started everything.
const SETTLED: Duration = Duration::from_secs(3);
const UNSETTLED_KIB: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(60);

/// How often, and how much of it.
pub(super) struct Extent {
    pub(super) repetitions: u16,
    pub(super) handshakes: u32,
    pub(super) idle: u32,
}

/// Measures both in turns.
pub(super) fn report(stage: &Stage<'_>, extent: &Extent) -> Result<Report> {
    let mut measured: [[Vec<f64>; 3]; 2] = Default::default();
    for round in 1..=extent.repetitions {
        let step = progress::start(format!("machines, round {round} of {}", extent.repetitions));
        for (subject, into) in SUBJECTS.into_iter().zip(&mut measured) {
            let server = Server::start(stage, subject)?;
            server.per_second(Kind::Full, WARM_UP)?;
            into[2].push(server.idle_kib(extent.idle)?);
            into[0].push(server.per_second(Kind::Full, extent.handshakes)?);
            into[1].push(server.per_second(Kind::Resumed, extent.handshakes)?);
        }
        step.done("");
    }
    Report::of(extent.repetitions, "in a guest", &measured)
}

/// A server in a machine.
struct Server<'a> {
    stage: &'a Stage<'a>,
    machine: Machine,
    subject: Subject,
    visitor: Visitor,
}

impl<'a> Server<'a> {
    fn start(stage: &'a Stage<'a>, subject: Subject) -> Result<Self> {
        let machine = stage.start(subject.place(), stage.usual())?;
        let visitor = Visitor::new(stage.host(), stage.root())?;
        Ok(Self { stage, machine, subject, visitor })
    }

    fn per_second(&self, kind: Kind, times: u32) -> Result<f64> {
        let address = self.subject.https();
        per_second(self.machine.process_id(), times, || self.visitor.handshakes(address, kind, times))
    }

    fn idle_kib(&self, count: u32) -> Result<f64> {
        let before = self.settled_kib()?;
        let connections = self.visitor.open(self.subject.https(), count)?;
        let taken = before.saturating_sub(self.settled_kib()?);
        drop(connections);
        self.settled_kib()?;
        Ok(taken as f64 / f64::from(count))
    }

    /// What the machine could still give, once that does not change any more.
    fn settled_kib(&self) -> Result<u64> {
        let mut seen: Option<(u64, Instant)> = None;
        wait_until(PATIENCE, "memory that does not change", || {
            let now = self.stage.available_kib(self.subject.place())?;
            match seen {
                Some((then, since)) if then.abs_diff(now) <= UNSETTLED_KIB => {
                    if since.elapsed() >= SETTLED {
                        return Ok(Status::Reached(now));
                    }
                }
                _ => seen = Some((now, Instant::now())),
            }
            Ok(Status::Pending(format!("{now} KiB")))
        })
        .context("a machine under no load")
    }
}
