//! Booted machines and a real certificate authority: two web machines, the db machine, and Pebble, on one network.
//!
//! `cargo test -p tests --test authority [-- NAME]`. The machines are connected to a bridge in a network namespace of the
//! suite's own, made without privileges, with addresses by DHCP and the ports that a site has. What goes on inside a machine
//! while an authority is slow, away or wrong is judged elsewhere (`service/tests/database/certificates`), by simulated time.
//!
//! Invariant: the host's own network is never touched.

mod bridge;
mod brought;
mod door;
mod pebble;
mod site;
mod stories;
mod visitor;

use std::process::ExitCode;

use anyhow::Result;
use tests::namespace::{self, Place};

fn told() -> Result<ExitCode> {
    if let Place::Outside(code) = namespace::enter()? {
        return Ok(code);
    }
    let _bridge = bridge::Bridge::build()?;
    Ok(tests::stories::tell(
        "authority",
        tests::stories![
            stories::{
                machines_that_start_together_order_once_and_one_that_dies_is_not_missed,
                an_order_whose_machine_is_killed_is_finished_by_the_other,
            },
            brought::{a_certificate_that_is_brought_reaches_running_machines},
        ],
    ))
}

fn main() -> ExitCode {
    told().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
