//! The service on this host over a MySQL of its own, with a certificate of a real authority's, and who visits it there: a real
//! browser, and a program.
//!
//! Invariant: it ends with the suites, and knows only accounts that they make.
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use ::image::debian::Policy;
use ::image::machine::free_port;
use ::image::{Layout, Stack};
use anyhow::{Result, ensure};
use toml::{Table, Value};
use xshell::Shell;

use super::{LONG, browser, programs};
use crate::endpoint::Endpoint;
use crate::hosted::{self, Hosted, Profile};
use crate::mysql::Mysql;
use crate::nested::cargo;
use crate::pebble::{Looks, Names, Pebble};
use crate::site::{Places, Site, write_secret};
use crate::tools::Tools;
use crate::visit::Visitor;

/// Names the file that says where a suite points.
const ENDPOINT: &str = "BOOTSTACK_ENDPOINT";
/// Names the program that looks for faults in TLS.
const TESTSSL: &str = "BOOTSTACK_TESTSSL";
/// Names the account that may see `/status`, and its password.
const OPERATOR: &str = "BOOTSTACK_OPERATOR";
/// It exists before its name is configured, or nobody could register it.
const ODA: (&str, &str) = ("oda", "sees-how-it-is");

/// How long its certificate lives, as public authorities' do: 90 days.
const LIFETIME_S: u32 = 90 * 86_400;

/// Runs the suites against a service whose files lie in `folder`.
pub(super) fn judge(
    layout: &Layout,
    stack: &Stack,
    site: &Site,
    folder: &Path,
    policy: Policy,
    shell: &Shell,
    long: bool,
) -> Result<()> {
    browser::fetch_axe(layout)?;
    let python = programs::fetch(layout)?;
    ensure!(hosted::build(layout, Profile::Dev)?, "the service does not compile");
    let port = free_port()?;
    let _mysql = Mysql::start(layout, policy, site, folder, port)?;
    let (root, https) = (folder.join("authority/root.pem"), free_port()?);
    let names = Names::start(folder, Ipv4Addr::LOCALHOST)?;
    let looks =
        Looks { at: Ipv4Addr::LOCALHOST, name_server: &names.address, https, lifetime_s: Some(LIFETIME_S) };
    fs::create_dir_all(folder.join("authority/ca"))?;
    let pebble = Pebble::start(&folder.join("authority"), looks)?;
    fs::write(&root, pebble.root()?)?;
    let endpoint = Endpoint::on_loopback(&stack.host, https, free_port()?, &root);
    let config = folder.join("hosted.toml");
    let log = fs::File::create(folder.join("service.log"))?;
    let visitor = Visitor::new(&stack.host, https, &pebble.root()?)?;
    let start = |operators: &[&str]| -> Result<Hosted> {
        write_secret(&config, &config_text(site, &pebble, &endpoint, port, operators)?)?;
        let mut service = Hosted::start(layout, Profile::Dev, &config, Stdio::from(log.try_clone()?))?;
        service.await_ready(&visitor)?;
        Ok(service)
    };
    let before = start(&[])?;
    let registered = visitor.post("/register", &format!("name={}&password={}", ODA.0, ODA.1))?;
    ensure!(registered == 303, "nobody can register: {registered}");
    drop(before);
    let _service = start(&[ODA.0])?;
    let file = folder.join("endpoint.json");
    endpoint.write(&file)?;
    let suite =
        |name: &str| cargo(shell, &["test", "--package", "tests", "--test", name]).env(ENDPOINT, &file);
    suite("browser").env(OPERATOR, format!("{}:{}", ODA.0, ODA.1)).run()?;
    let mut programs = suite("programs").env(programs::PYTHON, &python);
    if long {
        let testssl = Tools::open(layout)?.command("testssl")?;
        programs = programs.env(LONG, "1").env(TESTSSL, testssl.get_program());
    }
    programs.run()?;
    Ok(())
}

/// Programs may write as fast as they can here, and these accounts may see how the site is.
fn config_text(
    site: &Site,
    pebble: &Pebble,
    endpoint: &Endpoint,
    database_port: u16,
    operators: &[&str],
) -> Result<Vec<u8>> {
    let config = site.config(&Places {
        http: &endpoint.http,
        https: &endpoint.https,
        public_port: endpoint.https_port()?,
        database_host: "127.0.0.1",
        database_port,
    })?;
    let mut config = pebble.certifies(&config)?;
    let mut set = |section: &str, key: &str, value: Value| {
        let tables = config.entry(section).or_insert_with(|| Table::new().into());
        tables.as_table_mut().map(|table| table.insert(key.to_owned(), value))
    };
    set("limits", "writes_per_hour", 10_000_000.into());
    set("operations", "operators", operators.to_vec().into());
    Ok(toml::to_string(&config)?.into_bytes())
}
