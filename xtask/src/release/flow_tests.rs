//! The flow against a world that can be killed at any act, before or after its effect: wherever that happens, the same command
//! ends in the right state, and no visitor ever meets a machine that is not there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::panic::{self, AssertUnwindSafe};

use anyhow::{Result, bail};

use super::evidence::Evidence;
use super::flow::{Flow, Outcome, Plan};
use super::history::History;
use super::world::World;
use crate::dns::{Form, Names, Records};
use crate::provider::Machine;

const PLAN: Plan = Plan { ttl_s: 300, low_ttl_s: 5, dry_run: false, known: false, accept_records: false };

/// Everything that outlives a killed run.
#[derive(Clone, Default)]
struct State {
    now_s: u64,
    evidence: BTreeMap<String, Evidence>,
    history: History,
    images: BTreeSet<String>,
    machines: Vec<Machine>,
    records: Records,
    reserved: Option<(IpAddr, Option<String>)>,
    /// Until when a resolver may hold an address.
    remembered: BTreeMap<String, u64>,
    /// What goes wrong in this world.
    faults: BTreeSet<&'static str>,
}

/// A run of the command in that state.
struct Fake<'a> {
    state: &'a RefCell<State>,
    image: String,
    /// Acts until the process is killed.
    fuel: usize,
    /// Whether the fatal act still has its effect.
    effective: bool,
}

impl Fake<'_> {
    /// One act with an effect on the world.
    fn act<T>(&mut self, name: &'static str, effect: impl FnOnce(&mut State) -> T) -> Result<T> {
        if self.fuel == 0 {
            if self.effective {
                effect(&mut self.state.borrow_mut());
                check(&self.state.borrow());
            }
            panic::panic_any("killed");
        }
        self.fuel -= 1;
        self.state.borrow_mut().now_s += 1;
        if self.state.borrow().faults.contains(name) {
            bail!("{name} fails");
        }
        let done = effect(&mut self.state.borrow_mut());
        check(&self.state.borrow());
        Ok(done)
    }
}

/// Whoever asks now, or has asked, is led to a machine that runs.
fn check(state: &State) {
    let machine_of = |address: &str| match &state.reserved {
        Some((reserved, led_to)) if reserved.to_string() == address => led_to.clone(),
        _ => state
            .machines
            .iter()
            .find(|machine| machine.address.to_string() == address)
            .map(|m| m.name.clone()),
    };
    let now = state.records.iter().flat_map(|set| set.values.iter());
    let held =
        state.remembered.iter().filter(|(_, until_s)| **until_s >= state.now_s).map(|(address, _)| address);
    for address in now.chain(held) {
        let machine = machine_of(address);
        let runs = state.machines.iter().any(|running| Some(&running.name) == machine.as_ref());
        assert!(runs, "at {} s visitors are led to {address}, where nothing runs", state.now_s);
    }
}

fn names() -> Names {
    Names { host: "www.foobar.com.".to_owned(), apex: None, form: Form::Address }
}

fn address(image: &str) -> IpAddr {
    format!("192.0.2.{image}").parse().unwrap()
}

impl World for Fake<'_> {
    fn now_s(&self) -> u64 {
        self.state.borrow().now_s
    }

    fn wait_until_s(&mut self, moment_s: u64, _: &str) -> Result<()> {
        self.act("wait", |state| state.now_s = state.now_s.max(moment_s))
    }

    fn save(&mut self, evidence: &Evidence) -> Result<()> {
        self.act("save", |state| drop(state.evidence.insert(evidence.image.clone(), evidence.clone())))
    }

    fn history(&mut self) -> Result<History> {
        Ok(self.state.borrow().history.clone())
    }

    fn keep_history(&mut self, history: &History) -> Result<()> {
        self.act("keep", |state| state.history = history.clone())
    }

    fn trial(&mut self) -> Result<String> {
        self.act("trial", |_| "well".to_owned())
    }

    fn place(&mut self) -> Result<()> {
        let image = self.image.clone();
        self.act("place", |state| _ = state.images.insert(image))
    }

    fn machines(&mut self) -> Result<Vec<Machine>> {
        Ok(self.state.borrow().machines.clone())
    }

    fn start(&mut self) -> Result<Machine> {
        let image = self.image.clone();
        self.act("start", |state| {
            assert!(state.images.contains(&image), "started without its image");
            let name = format!("web-{image}");
            assert!(state.machines.iter().all(|machine| machine.name != name), "started twice");
            let machine = Machine { name, address: address(&image), image, since_s: state.now_s };
            state.machines.push(machine.clone());
            machine
        })
    }

    fn ready(&mut self, _: &Machine) -> Result<String> {
        self.act("ready", |_| "ready".to_owned())
    }

    fn smoke(&mut self, _: &Machine) -> Result<String> {
        self.act("smoke", |_| "passed".to_owned())
    }

    fn watch(&mut self, machine: &Machine) -> Result<String> {
        let until_s = machine.since_s + 70;
        self.act("watch", |state| {
            state.now_s = state.now_s.max(until_s);
            "steady".to_owned()
        })
    }

    fn stop(&mut self, machine: &Machine) -> Result<()> {
        let name = machine.name.clone();
        self.act("stop", |state| state.machines.retain(|running| running.name != name))
    }

    fn forget(&mut self, kept: &[String]) -> Result<()> {
        let kept = kept.to_vec();
        self.act("forget", |state| state.images.retain(|image| kept.contains(image)))
    }

    fn reserved(&mut self) -> Result<Option<(IpAddr, Option<String>)>> {
        Ok(self.state.borrow().reserved.clone())
    }

    fn lead(&mut self, machine: &Machine) -> Result<()> {
        let name = machine.name.clone();
        self.act("lead", |state| {
            if let Some((_, led_to)) = &mut state.reserved {
                *led_to = Some(name);
            }
        })
    }

    fn records(&mut self) -> Result<Records> {
        Ok(self.state.borrow().records.clone())
    }

    fn wanted(&self, address: IpAddr, ttl_s: u32) -> Records {
        names().records(&[address], ttl_s)
    }

    fn change(&mut self, before: &Records, after: &Records) -> Result<()> {
        let (before, after) = (before.clone(), after.clone());
        self.act("change", |state| {
            assert!(state.records.same_values(&before), "changed from another state than was seen");
            for set in state.records.clone().iter() {
                for value in &set.values {
                    let until_s = state.now_s + u64::from(set.ttl_s);
                    let held = state.remembered.entry(value.clone()).or_default();
                    *held = (*held).max(until_s);
                }
            }
            state.records = after;
        })
    }

    fn show(&mut self, lines: &[String]) {
        assert!(!lines.is_empty());
    }

    fn smoke_public(&mut self) -> Result<String> {
        self.act("public", |_| "passed".to_owned())
    }
}

/// A site that image 1 serves.
fn served(reserved: bool) -> RefCell<State> {
    let state = RefCell::new(State { now_s: 1000, ..State::default() });
    if reserved {
        state.borrow_mut().reserved = Some((address("100"), None));
    }
    assert_eq!(run(&state, "1", PLAN, usize::MAX, false), Some(Outcome::Released));
    state
}

/// One run; `None` when it was killed.
fn run(state: &RefCell<State>, image: &str, plan: Plan, fuel: usize, effective: bool) -> Option<Outcome> {
    let known = state.borrow().evidence.get(image).cloned();
    let evidence = known.unwrap_or_else(|| Evidence::new(image, "commit"));
    let mut world = Fake { state, image: image.to_owned(), fuel, effective };
    let ended = panic::catch_unwind(AssertUnwindSafe(|| Flow { world: &mut world, evidence, plan }.run()));
    match ended {
        Ok(outcome) => Some(outcome.expect("no act fails here")),
        Err(death) if death.downcast_ref::<&str>() == Some(&"killed") => None,
        Err(death) => panic::resume_unwind(death),
    }
}

fn serves(state: &RefCell<State>, image: &str) {
    let state = state.borrow();
    let running: Vec<&str> = state.machines.iter().map(|machine| machine.image.as_str()).collect();
    assert_eq!(running, [image]);
    let at = state.reserved.as_ref().map_or(address(image), |(reserved, _)| *reserved);
    assert_eq!(state.records, names().records(&[at], 300));
    assert_eq!(state.history.current().map(|release| release.image.as_str()), Some(image));
    assert_eq!(state.history.pending, None);
}

fn silence_kills() {
    panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"killed") {
            eprintln!("{info}");
        }
    }));
}

#[test]
fn a_release_that_is_killed_anywhere_twice_ends_like_one_that_is_not() {
    silence_kills();
    for reserved in [false, true] {
        let before = served(reserved);
        for first in 0.. {
            let mut killed = 0;
            for (second, effective) in (0..40).flat_map(|second| [(second, false), (second, true)]) {
                let state = before.clone();
                killed += usize::from(run(&state, "2", PLAN, first, effective).is_none());
                let _ = run(&state, "2", PLAN, second, effective);
                assert_eq!(run(&state, "2", PLAN, usize::MAX, false), Some(Outcome::Released));
                serves(&state, "2");
            }
            if killed == 0 {
                assert!(first > 10, "only {first} acts");
                break;
            }
        }
    }
}

#[test]
fn a_rollback_that_is_killed_anywhere_ends_at_the_previous_image() {
    silence_kills();
    let before = served(false);
    assert_eq!(run(&before, "2", PLAN, usize::MAX, false), Some(Outcome::Released));
    let plan = Plan { known: true, ..PLAN };
    for first in 0..60 {
        for effective in [false, true] {
            let state = before.clone();
            let _ = run(&state, "1", plan, first, effective);
            assert_eq!(run(&state, "1", plan, usize::MAX, false), Some(Outcome::Released));
            serves(&state, "1");
        }
    }
}

#[test]
fn a_rollback_does_not_watch_again_and_a_release_does() {
    let state = served(false);
    assert_eq!(run(&state, "2", PLAN, usize::MAX, false), Some(Outcome::Released));
    state.borrow_mut().faults.insert("watch");
    assert_eq!(
        run(&state.clone(), "1", Plan { known: true, ..PLAN }, usize::MAX, false),
        Some(Outcome::Released)
    );
    assert!(matches!(run(&state, "1", PLAN, usize::MAX, false), Some(Outcome::Held(_))));
    serves(&state, "2");
}

#[test]
fn a_candidate_that_fails_is_held_and_the_record_untouched() {
    for fault in ["trial", "ready", "smoke", "watch"] {
        let state = served(false);
        let records = state.borrow().records.clone();
        state.borrow_mut().faults.insert(fault);
        let Some(Outcome::Held(reasons)) = run(&state, "2", PLAN, usize::MAX, false) else {
            panic!("{fault}")
        };
        assert!(reasons.iter().any(|reason| reason.ends_with(&format!("{fault} fails"))), "{reasons:?}");
        assert_eq!(state.borrow().records, records);
        serves(&state, "1");
        // Mended, the same command goes on.
        state.borrow_mut().faults.clear();
        assert_eq!(run(&state, "2", PLAN, usize::MAX, false), Some(Outcome::Released));
        serves(&state, "2");
    }
}

#[test]
fn a_bad_look_by_the_public_name_returns_the_record() {
    for reserved in [false, true] {
        let state = served(reserved);
        let records = state.borrow().records.clone();
        state.borrow_mut().faults.insert("public");
        assert!(matches!(run(&state, "2", PLAN, usize::MAX, false), Some(Outcome::Held(_))));
        assert_eq!(state.borrow().records, records);
        state.borrow_mut().faults.clear();
        assert_eq!(run(&state, "2", PLAN, usize::MAX, false), Some(Outcome::Released));
        serves(&state, "2");
    }
}

#[test]
fn a_reserved_address_is_led_on_without_a_change_of_records() {
    let state = served(true);
    let (records, begun_s) = (state.borrow().records.clone(), state.borrow().now_s);
    // No server is told of anything, and no resolver's memory is waited for.
    state.borrow_mut().faults.extend(["change", "wait"]);
    assert_eq!(run(&state, "2", PLAN, usize::MAX, false), Some(Outcome::Released));
    serves(&state, "2");
    assert_eq!(state.borrow().records, records);
    assert!(state.borrow().now_s < begun_s + 300);
}

#[test]
fn records_that_another_tool_changed_are_left_alone() {
    let state = served(false);
    let theirs = names().records(&[address("1"), address("99")], 300);
    state.borrow_mut().machines.push(Machine {
        name: "theirs".to_owned(),
        image: "?".to_owned(),
        address: address("99"),
        since_s: 0,
    });
    state.borrow_mut().records = theirs.clone();
    let Some(Outcome::Held(reasons)) = run(&state, "2", PLAN, usize::MAX, false) else { panic!("not held") };
    assert!(reasons[0].contains("another tool changed them"), "{reasons:?}");
    assert_eq!(state.borrow().records, theirs);
    let accept = Plan { accept_records: true, ..PLAN };
    assert_eq!(run(&state, "2", accept, usize::MAX, false), Some(Outcome::Released));
}

#[test]
fn a_dry_run_changes_no_record() {
    let state = served(false);
    let records = state.borrow().records.clone();
    let dry = Plan { dry_run: true, ..PLAN };
    assert_eq!(run(&state, "2", dry, usize::MAX, false), Some(Outcome::Shown));
    assert_eq!(state.borrow().records, records);
    assert_eq!(state.borrow().history.pending, None);
}
