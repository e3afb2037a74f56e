//! The smoke suite: every claim about a site, judged at the endpoint that `BOOTSTACK_ENDPOINT` names.
//!
//! `BOOTSTACK_ENDPOINT=target/bootstack/endpoint.json cargo test -p tests --test smoke`
//! It starts nothing and cleans up nothing. An endpoint with `"read_only": true`, such as the public one, is judged by
//! what leaves no person and no post behind. Claims run one after the other
//! unless `--test-threads` says otherwise: the machine they judge may have a single, emulated CPU.

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use tests::claims::{self, Claim};
use tests::{Client, Endpoint};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    match client(&arguments) {
        Ok(client) => libtest_mimic::run(&arguments, trials(client.as_ref())).exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// None for `--list`, which needs no endpoint.
fn client(arguments: &Arguments) -> Result<Option<Client>> {
    if arguments.list {
        return Ok(None);
    }
    let endpoint = Endpoint::from_environment()?;
    endpoint.reach()?;
    Client::new(&endpoint).map(Some)
}

fn trials(client: Option<&Client>) -> Vec<Trial> {
    claims::of(client.map(Client::endpoint)).map(|claim| trial(*claim, client.cloned())).collect()
}

fn trial(claim: Claim, client: Option<Client>) -> Trial {
    Trial::test(claim.name, move || {
        let client = client.ok_or("no endpoint")?;
        (claim.check)(&client).map_err(|error| Failed::from(format!("{error:#}")))
    })
}
