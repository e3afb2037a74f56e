//! What a program may expect of the kernel, judged from inside a machine: it runs there in the service's place.
//!
//! It says each claim that holds on the console, and ends with success if all do. `tests/lifecycle/inside.rs` boots it. On the
//! host, `cargo run -p inside` judges Linux by the same claims, which is how a wrong claim is found out.
//!
//! It can also be told to panic, for a story of what the machine says then.
//!
//! It measures nothing, and knows no peer: the network is judged from outside. Invariant: a claim that does not hold ends the
//! program, or never comes back, which whoever watches the console finds out.

mod addresses;
mod processors;
mod registers;
mod threads;
mod timers;
mod wakeups;

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Why a claim does not hold.
type Verdict = Result<(), String>;
type Claim = (&'static str, fn() -> Verdict);

/// Names each claim after itself.
macro_rules! claims {
    ($($module:ident::{$($claim:ident),+ $(,)?}),+ $(,)?) => {
        &[$($((stringify!($claim), $module::$claim as fn() -> Verdict)),+),+]
    };
}

const CLAIMS: &[Claim] = claims![
    wakeups::{
        a_thread_and_a_runtime_wake_each_other,
        many_threads_wake_one_runtime,
        a_runtime_of_many_threads_works,
        a_wake_up_that_meets_its_timeout_is_not_lost,
        a_lock_that_many_want_reaches_each,
    },
    processors::{
        there_are_as_many_as_were_given,
        threads_compute_at_the_same_time,
        tasks_of_one_runtime_compute_at_the_same_time,
    },
    timers::{no_timer_fires_early_and_all_do, time_passes_for_one_thread_while_another_computes},
    threads::{threads_come_and_go, blocking_work_comes_back, who_waits_leaves_the_processor_to_who_computes},
    addresses::{nobody_connects_to_no_address, a_datagram_to_no_address_goes_nowhere},
    registers::{vector_registers_are_each_threads_own},
];

/// Whoever sets this wants to see the program panic, with these words; and whoever sets that, on a thread of its own, while the
/// first one goes on saying what that says.
const LAST_WORDS: &str = "LAST_WORDS";
const MEANWHILE: &str = "MEANWHILE";

fn main() -> ExitCode {
    if let Ok(words) = std::env::var(LAST_WORDS) {
        let Ok(meanwhile) = std::env::var(MEANWHILE) else { panics(&words) };
        std::thread::spawn(move || panics(&words));
        goes_on(&meanwhile);
    }
    for (name, claim) in CLAIMS {
        println!("claim {name} …");
        if let Err(why) = claim() {
            println!("claim {name} does not hold: {why}");
            return ExitCode::FAILURE;
        }
    }
    println!("all {} claims hold", CLAIMS.len());
    ExitCode::SUCCESS
}

/// A function of its own, so that a backtrace can name it.
#[inline(never)]
fn panics(words: &str) -> ! {
    panic!("{words}")
}

/// Says the same ten times a second for ever, and computes in between.
fn goes_on(what: &str) -> ! {
    let mut due = Instant::now();
    loop {
        if Instant::now() >= due {
            println!("{what}");
            due += Duration::from_millis(100);
        }
    }
}

/// A runtime as the service has it.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}
