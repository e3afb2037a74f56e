//! Programs in front of the site: one that knows its description, and, at length, one that knows what is wrong with TLS.
//!
//! `cargo test -p tests --test programs`, with `BOOTSTACK_ENDPOINT` as for the smoke suite, and the programs' places, which
//! `cargo xtask test` gives.

mod description;
mod handshakes;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

/// Asks for more, and for longer.
const LONG: &str = "BOOTSTACK_TEST_LONG";

fn main() -> ExitCode {
    let trial = |name: &str, claim: fn() -> Result<()>| {
        Trial::test(name, move || claim().map_err(|error| Failed::from(format!("{error:#}"))))
    };
    let mut trials = vec![trial(
        "the_site_does_what_its_description_says_and_nothing_else",
        description::the_site_does_what_its_description_says_and_nothing_else,
    )];
    if is_long() {
        trials.push(trial("nobody_finds_fault_with_its_tls", handshakes::nobody_finds_fault_with_its_tls));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn is_long() -> bool {
    std::env::var_os(LONG).is_some()
}
