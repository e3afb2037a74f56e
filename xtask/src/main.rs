//! Every command a person or CI types: `cargo xtask VERB`. File name = verb.
//!
//! It puts the parts together; disk formats, QEMU's flags and the site's routes are other rooms' business.
//! Invariant: exit status 0 means done, 1 refused or failed, 2 misused, 130 interrupted.
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod build;
mod cert;
mod check;
mod dev;
mod dns;
mod down;
mod endpoint;
mod hosted;
mod image;
mod interrupt;
mod lock;
mod mysql;
mod nested;
mod pebble;
mod preflight;
mod provider;
mod release;
mod site;
mod smoke;
mod stack;
mod test;
mod tools;
mod up;
mod visit;
mod volume;

/// Builds, boots and judges the machines of one site.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::Up),
    Down(down::Down),
    Image(image::Image),
    Dev(dev::Dev),
    Test(test::Test),
    Check(check::Check),
    Bench(bench::Bench),
    Cert(cert::Cert),
    Release(release::Release),
}

impl Verb {
    fn run(&self) -> Result<()> {
        match self {
            Self::Up(verb) => verb.run(),
            Self::Down(verb) => verb.run(),
            Self::Image(verb) => verb.run(),
            Self::Dev(verb) => verb.run(),
            Self::Test(verb) => verb.run(),
            Self::Check(verb) => verb.run(),
            Self::Bench(verb) => verb.run(),
            Self::Cert(verb) => verb.run(),
            Self::Release(verb) => verb.run(),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = interrupt::install().and_then(|()| arguments.verb.run());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            interrupt::give_way();
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_fit_together() {
        Arguments::command().debug_assert();
    }
}
