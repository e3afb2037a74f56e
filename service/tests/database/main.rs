//! The service against a real MySQL. `cargo xtask test` gives it one; a plain `cargo test` shows these as ignored.
//!
//! `BOOTSTACK_TEST_DATABASE` names a TOML file with the keys of the configuration's section `[database]`. The tests
//! delete what they find there: the account must be able to create and drop tables in that schema, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]

mod accounts;
mod away;
mod bad_input;
mod bad_reading;
mod bad_requests;
mod certificates;
mod comments;
mod entrance;
mod feed;
mod fixture;
mod lists;
mod meetings;
mod migrations;
mod posts;
mod program;
mod programs;
mod search;
mod visitor;

use libtest_mimic::{Arguments, Trial};

use fixture::Fixture;

/// A claim: what is said, and the proof.
type Claim = (&'static str, fn(&Fixture) -> anyhow::Result<()>);

/// Set by `cargo xtask test --long`: the claims that take minutes, too.
const LONG: &str = "BOOTSTACK_TEST_LONG";

fn main() {
    let mut arguments = Arguments::from_args();
    // All use the one schema.
    arguments.test_threads = Some(1);
    let long = if std::env::var_os(LONG).is_some() { certificates::LONG } else { &[] };
    let claims: Vec<Claim> = [
        migrations::CLAIMS,
        entrance::CLAIMS,
        accounts::CLAIMS,
        meetings::CLAIMS,
        posts::CLAIMS,
        comments::CLAIMS,
        lists::CLAIMS,
        search::CLAIMS,
        feed::CLAIMS,
        programs::CLAIMS,
        bad_input::CLAIMS,
        bad_reading::CLAIMS,
        bad_requests::CLAIMS,
        away::CLAIMS,
        certificates::CLAIMS,
        long,
    ]
    .concat();
    let trials = claims.into_iter().map(|(name, prove)| {
        let trial = Trial::test(name, move || {
            let outcome = Fixture::from_environment().and_then(|fixture| prove(&fixture));
            outcome.map_err(|error| format!("{error:#}").into())
        });
        // Without the feature nobody promised a database. With it, a missing one is a failure.
        trial.with_ignored_flag(!cfg!(feature = "database-tests"))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
