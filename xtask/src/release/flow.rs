//! The way of an image from a built file to the record, as steps that each ask "already done?".
//!
//! It touches nothing itself: all acts are [`World`]'s. Invariant: killed anywhere and run again, it ends in the same state;
//! the record never leads to a machine that was not found good; no machine is stopped while a resolver may lead to it.
use anyhow::{Context, Result};

use super::evidence::{Candidate, Change, Evidence, Finding, passed};
use super::history::Released;
use super::retire::retire_at_s;
use super::verdict::{Verdict, verdict};
use super::world::World;
use crate::dns::{Records, diff};
use crate::provider::Machine;

/// How far, and with what in mind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The time to live of the records between releases.
    pub(crate) ttl_s: u32,
    /// The time to live while a record moves.
    pub(crate) low_ttl_s: u32,
    /// Stop where the change would be made.
    pub(crate) dry_run: bool,
    /// The image has been watched in an earlier release: a rollback does not wait for that again.
    pub(crate) known: bool,
    /// The records are taken as they are, whoever made them.
    pub(crate) accept_records: bool,
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Visitors meet the image.
    Released,
    /// They would, but nothing was changed.
    Shown,
    /// They do not, for these reasons; the record is as it was.
    Held(Vec<String>),
}

/// One release under way.
pub(crate) struct Flow<'a, W> {
    pub(crate) world: &'a mut W,
    pub(crate) evidence: Evidence,
    pub(crate) plan: Plan,
}

/// Picks one finding of the evidence.
type Field = fn(&mut Evidence) -> &mut Option<Finding>;

impl<W: World> Flow<'_, W> {
    /// From wherever an earlier run ended to the end.
    pub(crate) fn run(&mut self) -> Result<Outcome> {
        if !self.find(|evidence| &mut evidence.trial, |world| world.trial())? {
            return Ok(Outcome::Held(self.reasons()));
        }
        self.world.place().context("the image could not be placed")?;
        let machine = self.candidate()?;
        let good = self.judge(&machine)?;
        let foreign = self.prepare(&machine)?;
        if !good || foreign.is_some() {
            return self.hold(&machine, foreign);
        }
        if self.plan.dry_run {
            return Ok(Outcome::Shown);
        }
        self.flip(&machine)?;
        if !self.find_public()? {
            return self.return_record(&machine);
        }
        self.note_release(&machine)?;
        self.retire(&machine)?;
        Ok(Outcome::Released)
    }

    /// Tries something unless it has gone well before; says whether it has now.
    fn find(&mut self, field: Field, act: impl FnOnce(&mut W) -> Result<String>) -> Result<bool> {
        if passed(field(&mut self.evidence).as_ref()) {
            return Ok(true);
        }
        let found = act(self.world);
        *field(&mut self.evidence) = Some(finding(self.world.now_s(), found));
        self.world.save(&self.evidence)?;
        Ok(passed(field(&mut self.evidence).as_ref()))
    }

    /// The machine that runs the image: the one that an earlier run started, or a new one.
    fn candidate(&mut self) -> Result<Machine> {
        let image = self.evidence.image.clone();
        let running = self.world.machines()?.into_iter().find(|machine| machine.image == image);
        let machine = match running {
            Some(machine) => machine,
            None => self.world.start().context("the candidate could not be started")?,
        };
        let watched = self.evidence.watch.clone().filter(|_| self.plan.known);
        let Machine { name, address, since_s, .. } = machine.clone();
        self.evidence.meet(Candidate { machine: name, address, since_s });
        self.evidence.watch = self.evidence.watch.take().or(watched);
        self.world.save(&self.evidence)?;
        Ok(machine)
    }

    fn judge(&mut self, machine: &Machine) -> Result<bool> {
        Ok(self.find(|evidence| &mut evidence.ready, |world| world.ready(machine))?
            && self.find(|evidence| &mut evidence.smoke, |world| world.smoke(machine))?
            && self.find(|evidence| &mut evidence.watch, |world| world.watch(machine))?)
    }

    fn reasons(&self) -> Vec<String> {
        match verdict(&self.evidence) {
            Verdict::Flip => Vec::new(),
            Verdict::Hold(reasons) => reasons,
        }
    }

    /// Reads the records, shows the change, and writes down what it starts from. Says why nothing may be built on them, if so.
    fn prepare(&mut self, machine: &Machine) -> Result<Option<String>> {
        let seen = self.world.records()?;
        let foreign = self.world.history()?.foreign(&seen).filter(|_| !self.plan.accept_records);
        let points = self.points(&seen, machine)?;
        let kept = self
            .evidence
            .change
            .take()
            .filter(|change| points || (change.flipped_s.is_none() && change.before.same_values(&seen)));
        let change = match kept {
            Some(change) => change,
            None => self.new_change(&seen, machine, points)?,
        };
        if !points {
            let wanted = self.wanted(machine, self.plan.ttl_s)?;
            let moves =
                self.world.reserved()?.map(|(address, _)| format!("+ {address} leads to {}", machine.name));
            self.world.show(&diff(&change.before, &wanted).into_iter().chain(moves).collect::<Vec<_>>());
        }
        self.evidence.change = Some(change);
        self.world.save(&self.evidence)?;
        Ok(foreign)
    }

    /// Without memory of a flip that has been made, it is taken to have been made just now from the longest time to live.
    fn new_change(&mut self, seen: &Records, machine: &Machine, points: bool) -> Result<Change> {
        let others = self.world.machines()?.into_iter().filter(|other| other.name != machine.name);
        let previous = others.map(|other| other.name).collect();
        let before =
            if points { seen.with_ttl(self.plan.ttl_s.max(seen.longest_ttl_s())) } else { seen.clone() };
        Ok(Change { before, previous, flipped_s: points.then(|| self.world.now_s()), ..Change::default() })
    }

    /// Whether visitors are led to the machine already.
    fn points(&mut self, seen: &Records, machine: &Machine) -> Result<bool> {
        let led = match self.world.reserved()? {
            Some((_, led_to)) => led_to.as_deref() == Some(machine.name.as_str()),
            None => true,
        };
        Ok(led && seen.same_values(&self.wanted(machine, 0)?))
    }

    fn wanted(&mut self, machine: &Machine, ttl_s: u32) -> Result<Records> {
        let address = self.world.reserved()?.map_or(machine.address, |(address, _)| address);
        Ok(self.world.wanted(address, ttl_s))
    }

    /// The record is left as it is; a candidate that no visitor can meet is stopped.
    fn hold(&mut self, machine: &Machine, foreign: Option<String>) -> Result<Outcome> {
        let seen = self.world.records()?;
        if !self.points(&seen, machine)? && foreign.is_none() {
            self.world.stop(machine)?;
        }
        Ok(Outcome::Held(self.reasons().into_iter().chain(foreign).collect()))
    }

    fn change(&mut self) -> Result<&mut Change> {
        self.evidence.change.as_mut().context("no change is under way")
    }

    fn flip(&mut self, machine: &Machine) -> Result<()> {
        let seen = self.world.records()?;
        if !self.points(&seen, machine)? {
            let by_address = seen.same_values(&self.wanted(machine, 0)?);
            self.change()?.by_address = by_address;
            let low = if by_address { seen } else { self.lower(&seen)? };
            self.move_record(&low, machine)?;
        }
        let now_s = self.world.now_s();
        self.change()?.flipped_s.get_or_insert(now_s);
        self.world.save(&self.evidence)
    }

    /// The same records for a short time only, so that visitors follow the flip quickly.
    fn lower(&mut self, seen: &Records) -> Result<Records> {
        let low = seen.with_ttl(self.plan.low_ttl_s.min(seen.longest_ttl_s()));
        if *seen != low {
            self.world.change(seen, &low)?;
        }
        let now_s = self.world.now_s();
        self.change()?.lowered_s.get_or_insert(now_s);
        self.world.save(&self.evidence)?;
        Ok(low)
    }

    fn move_record(&mut self, low: &Records, machine: &Machine) -> Result<()> {
        let wanted = self.wanted(machine, self.plan.low_ttl_s)?;
        let mut history = self.world.history()?;
        history.pending = Some(wanted.clone());
        self.world.keep_history(&history)?;
        if self.world.reserved()?.is_some() {
            self.world.lead(machine)?;
        }
        if !low.same_values(&wanted) {
            self.world.change(low, &wanted)?;
        }
        Ok(())
    }

    fn find_public(&mut self) -> Result<bool> {
        if passed(self.change()?.public.as_ref()) {
            return Ok(true);
        }
        let found = self.world.smoke_public();
        let found = finding(self.world.now_s(), found);
        self.change()?.public = Some(found);
        self.world.save(&self.evidence)?;
        Ok(passed(self.change()?.public.as_ref()))
    }

    /// What the public name showed was not good: the record goes back to where it was. The candidate stays, for resolvers
    /// may still lead to it; the next release stops it.
    fn return_record(&mut self, machine: &Machine) -> Result<Outcome> {
        let change = self.change()?.clone();
        let words = change.public.map(|public| public.words).unwrap_or_default();
        let wanted = self.wanted(machine, self.plan.low_ttl_s)?;
        if self.world.reserved()?.is_some() {
            let machines = self.world.machines()?;
            if let Some(previous) = machines.iter().find(|other| change.previous.contains(&other.name)) {
                self.world.lead(previous)?;
            }
        }
        let seen = self.world.records()?;
        if seen.same_values(&wanted) && seen != change.before {
            self.world.change(&seen, &change.before)?;
        }
        self.evidence.change = None;
        self.world.save(&self.evidence)?;
        Ok(Outcome::Held(vec![format!(
            "the smoke suite by the public name: {words}; the record is back where it was"
        )]))
    }

    fn note_release(&mut self, machine: &Machine) -> Result<()> {
        let records = self.wanted(machine, self.plan.ttl_s)?;
        let mut history = self.world.history()?;
        let known = history.current().is_some_and(|current| current.image == self.evidence.image);
        if known && history.pending.is_none() {
            return Ok(());
        }
        let at_s = self.change()?.flipped_s.unwrap_or_default();
        let Evidence { image, commit, .. } = &self.evidence;
        history.add(Released { image: image.clone(), commit: commit.clone(), at_s, records });
        self.world.keep_history(&history)
    }

    /// Stops what nobody can be led to any more, and gives the records their usual time to live.
    fn retire(&mut self, machine: &Machine) -> Result<()> {
        if self.change()?.finished {
            return Ok(());
        }
        let low_ttl_s = self.plan.low_ttl_s;
        let others = self.others(machine)?;
        let remembered = !others.is_empty() && !self.change()?.by_address;
        if let Some(moment_s) = retire_at_s(self.change()?, low_ttl_s).filter(|_| remembered) {
            self.world.wait_until_s(moment_s, "the end of the old records in every resolver")?;
        }
        for other in others {
            self.world.stop(&other)?;
        }
        let (seen, usual) = (self.world.records()?, self.wanted(machine, self.plan.ttl_s)?);
        if seen.same_values(&usual) && seen != usual {
            self.world.change(&seen, &usual)?;
        }
        let kept: Vec<String> = self.world.history()?.released.into_iter().map(|known| known.image).collect();
        self.world.forget(&kept)?;
        self.change()?.finished = true;
        self.world.save(&self.evidence)
    }

    fn others(&mut self, machine: &Machine) -> Result<Vec<Machine>> {
        Ok(self.world.machines()?.into_iter().filter(|other| other.name != machine.name).collect())
    }
}

fn finding(at_s: u64, found: Result<String>) -> Finding {
    let passed = found.is_ok();
    Finding { at_s, passed, words: found.unwrap_or_else(|error| format!("{error:#}")) }
}
