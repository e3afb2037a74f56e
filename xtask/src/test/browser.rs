//! The browser suite against the service on this host: axe fetched once, everything started, the suite run.
//!
//! Invariant: what comes from the registry is used only with the sum that stands here.
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ::image::machine::free_port;
use ::image::{Layout, Stack, command, progress};
use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha512};
use xshell::Shell;

use crate::endpoint::Endpoint;
use crate::hosted::{self, Hosted};
use crate::nested::cargo;
use crate::site::{Places, Site, write_secret};
use crate::visit::Visitor;

/// Names the file that says where a suite points.
const ENDPOINT: &str = "BOOTSTACK_ENDPOINT";
/// Name and version in the npm registry; the suite looks for the files under this name in the cache.
const AXE: (&str, &str) = ("axe-core", "4.14.1");
/// SHA-512 of its package, as the registry's `integrity` says in base64.
const AXE_SHA512: &str = concat!(
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73",
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
);

/// Runs the suite against a service over the MySQL at `port`; its files lie in `folder`.
pub(super) fn judge(
    layout: &Layout,
    stack: &Stack,
    site: &Site,
    folder: &Path,
    port: u16,
    shell: &Shell,
) -> Result<()> {
    fetch_axe(layout)?;
    ensure!(hosted::build(layout)?, "the service does not compile");
    let endpoint = Endpoint::on_loopback(&stack.host, free_port()?, free_port()?, &site.root_path());
    let config = folder.join("browser.toml");
    write_secret(&config, &site.config(&places(&endpoint, port)?)?)?;
    let log = fs::File::create(folder.join("service.log"))?;
    let mut service = Hosted::start(layout, &config, Stdio::from(log))?;
    service.await_ready(&Visitor::new(&stack.host, endpoint.https_port()?, site.root())?)?;
    let file = folder.join("endpoint.json");
    endpoint.write(&file)?;
    cargo(shell, &["test", "--package", "tests", "--test", "browser"]).env(ENDPOINT, &file).run()?;
    Ok(())
}

fn places(endpoint: &Endpoint, database_port: u16) -> Result<Places<'_>> {
    Ok(Places {
        http: &endpoint.http,
        https: &endpoint.https,
        public_port: endpoint.https_port()?,
        database_host: "127.0.0.1",
        database_port,
    })
}

/// axe into the cache, by npm itself.
pub(super) fn fetch_axe(layout: &Layout) -> Result<()> {
    let (name, version) = AXE;
    let folder = layout.cache().join(format!("{name}-{version}"));
    if folder.join("package/axe.min.js").exists() {
        return Ok(());
    }
    let step = progress::start(format!("{name} {version}"));
    fs::create_dir_all(layout.cache())?;
    let fetched = tempfile::tempdir_in(layout.cache())?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", &format!("{name}@{version}"), "--pack-destination"]).arg(fetched.path());
    command::run(&mut npm)?;
    let package = fetched.path().join(format!("{name}-{version}.tgz"));
    let bytes = fs::read(&package).with_context(|| format!("cannot read {}", package.display()))?;
    let sum: String = Sha512::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(sum == AXE_SHA512, "{name} {version} has the SHA-512 {sum}, not the one that is pinned");
    let unpacked = fetched.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--file"]).arg(&package).arg("--directory").arg(&unpacked);
    command::run(&mut tar)?;
    fs::rename(&unpacked, &folder).with_context(|| format!("cannot create {}", folder.display()))?;
    step.done("");
    Ok(())
}
