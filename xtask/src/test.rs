//! `cargo xtask test`: every test there is: fast ones, name servers, SQL on a real MySQL, a browser, programs, booted machines,
//! power cuts.
//!
//! What a test claims is the other rooms' business; here stands what each is given. Invariant: nothing that belongs to
//! the user's own stack is touched: databases, volumes and ports are the tests' own.
use std::fs;

use ::image::machine::free_port;
use ::image::{Layout, Stack, db};
use anyhow::{Context, Result};
use clap::Args;
use xshell::Shell;

use crate::build::{self, Packages};
use crate::check;
use crate::mysql::Mysql;
use crate::nested::cargo;
use crate::preflight::{self, Purpose};
use crate::site::{Site, write_secret};

mod browser;
mod fuzz;
mod hosted;
mod long;
mod programs;

/// Names the file with the database for the service's tests.
const DATABASE: &str = "BOOTSTACK_TEST_DATABASE";
/// Names the folder of the programs that they start: a certificate authority.
const PROGRAMS: &str = "BOOTSTACK_TEST_PROGRAMS";
/// Asks them for the claims that take minutes, too.
const LONG: &str = "BOOTSTACK_TEST_LONG";

/// Run every test: fast ones, real MySQL, booted machines, power cuts
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Then run the long suites too: the machines' stories nine more times with other random places and moments, and
    /// everything that takes too long for each change
    #[arg(long)]
    long: bool,
    /// Only the site on this host: its SQL, a browser and a program in front of it
    #[arg(long)]
    site: bool,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: Packages,
}

impl Test {
    pub(crate) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        let shell = Shell::new()?;
        shell.change_dir(layout.root());
        if self.site {
            preflight::check(&layout, &[Purpose::Build, Purpose::Browse], self.preflight)?;
            return self.database(&layout, &stack, &shell);
        }
        preflight::check(
            &layout,
            &[Purpose::Judge, Purpose::Build, Purpose::Boot, Purpose::Browse, Purpose::Wire],
            self.preflight,
        )?;
        check::check(&layout, check::Found::Refuse, self.packages, self.preflight)?;
        let nameservers =
            ["test", "--package", "xtask", "--features", "nameserver-tests", "--bin", "xtask", "--"];
        cargo(&shell, &nameservers)
            .args(["dns::tests", "cert::order_tests", "cert::bring_tests", "cert::database_tests"])
            .run()?;
        self.database(&layout, &stack, &shell)?;
        build::all(&layout, self.packages.policy())?;
        cargo(&shell, &["test", "--package", "tests", "--test", "lifecycle"]).run()?;
        cargo(&shell, &["test", "--package", "tests", "--test", "authority"]).run()?;
        cargo(&shell, &["test", "--package", "tests", "--test", "hostile"]).run()?;
        if self.long { long::run(&layout, &shell) } else { Ok(()) }
    }

    /// The service's queries and migrations on a MySQL of their own, and then a browser and a program at the service
    /// over it.
    fn database(&self, layout: &Layout, stack: &Stack, shell: &Shell) -> Result<()> {
        let folder = layout.run().join("test-database");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let site = Site::open(&Layout::below(&folder.join("site")), stack)?;
        let port = free_port()?;
        let mysql = Mysql::start(layout, self.packages.policy(), &site, &folder, port)?;
        let config = folder.join("database.toml");
        write_secret(&config, &site.database_config("127.0.0.1", port)?)?;
        let arguments =
            ["test", "--package", "service", "--features", "database-tests", "--test", "database"];
        let programs = db::test_programs(layout, self.packages.policy())?;
        let mut tests = cargo(shell, &arguments).env(DATABASE, &config).env(PROGRAMS, programs);
        if self.long {
            tests = tests.env(LONG, "1");
        }
        tests.run()?;
        drop(mysql);
        hosted::judge(layout, stack, &site, &folder.join("hosted"), self.packages.policy(), shell, self.long)
    }
}
