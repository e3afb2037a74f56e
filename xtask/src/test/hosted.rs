//! The service on this host over the tests' MySQL, and who visits it there: a real browser, and a program.
//!
//! Invariant: it ends with the suites, and knows only accounts that they make.
use std::fs;
use std::path::Path;
use std::process::Stdio;

use ::image::machine::free_port;
use ::image::{Layout, Stack};
use anyhow::{Result, ensure};
use toml::{Table, Value};
use xshell::Shell;

use super::{LONG, browser, programs};
use crate::endpoint::Endpoint;
use crate::hosted::{self, Hosted, Profile};
use crate::nested::cargo;
use crate::site::{Places, Site, write_secret};
use crate::tools::Tools;
use crate::visit::Visitor;

/// Names the file that says where a suite points.
const ENDPOINT: &str = "BOOTSTACK_ENDPOINT";
/// Names the program that looks for faults in TLS.
const TESTSSL: &str = "BOOTSTACK_TESTSSL";
/// Names the account that may see `/status`, which the browser suite makes.
const OPERATOR: (&str, &str) = ("BOOTSTACK_OPERATOR", "oda");

/// Runs the suites against a service over the MySQL at `port`; its files lie in `folder`.
pub(super) fn judge(
    layout: &Layout,
    stack: &Stack,
    site: &Site,
    folder: &Path,
    port: u16,
    shell: &Shell,
    long: bool,
) -> Result<()> {
    browser::fetch_axe(layout)?;
    let python = programs::fetch(layout)?;
    ensure!(hosted::build(layout, Profile::Dev)?, "the service does not compile");
    let endpoint = Endpoint::on_loopback(&stack.host, free_port()?, free_port()?, &site.root_path());
    let config = folder.join("hosted.toml");
    write_secret(&config, &config_text(site, &endpoint, port)?)?;
    let log = fs::File::create(folder.join("service.log"))?;
    let mut service = Hosted::start(layout, Profile::Dev, &config, Stdio::from(log))?;
    service.await_ready(&Visitor::new(&stack.host, endpoint.https_port()?, site.root())?)?;
    let file = folder.join("endpoint.json");
    endpoint.write(&file)?;
    let suite =
        |name: &str| cargo(shell, &["test", "--package", "tests", "--test", name]).env(ENDPOINT, &file);
    suite("browser").env(OPERATOR.0, OPERATOR.1).run()?;
    let mut programs = suite("programs").env(programs::PYTHON, &python);
    if long {
        let testssl = Tools::open(layout)?.command("testssl")?;
        programs = programs.env(LONG, "1").env(TESTSSL, testssl.get_program());
    }
    programs.run()?;
    Ok(())
}

/// Programs may write as fast as they can here, and one account may see how the site is.
fn config_text(site: &Site, endpoint: &Endpoint, database_port: u16) -> Result<Vec<u8>> {
    let config = site.config(&Places {
        http: &endpoint.http,
        https: &endpoint.https,
        public_port: endpoint.https_port()?,
        database_host: "127.0.0.1",
        database_port,
    })?;
    let mut config: Table = toml::from_str(std::str::from_utf8(&config)?)?;
    let mut set = |section: &str, key: &str, value: Value| {
        let tables = config.entry(section).or_insert_with(|| Table::new().into());
        tables.as_table_mut().map(|table| table.insert(key.to_owned(), value))
    };
    set("limits", "writes_per_hour", 10_000_000.into());
    set("operations", "operators", vec![OPERATOR.1].into());
    Ok(toml::to_string(&config)?.into_bytes())
}
