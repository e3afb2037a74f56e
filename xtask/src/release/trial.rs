//! The very image, booted on this host with a MySQL of its own, and judged: before any provider sees it.
//!
//! Invariant: the machine and its MySQL are gone when the verdict is there.
use std::fs;
use std::path::Path;
use std::time::Duration;

use ::image::debian::Policy;
use ::image::machine::{Machine, WebBoot, WebPorts, free_port, web as web_spec};
use ::image::{Layout, Stack, web};
use anyhow::{Context, Result};

use crate::endpoint::Endpoint;
use crate::mysql::Mysql;
use crate::site::{Places, Site};
use crate::visit::Visitor;
use crate::{smoke, stack as machines};

/// Boots the image by UEFI, as clouds do, and runs the smoke suite against it. Its MySQL keeps what earlier trials wrote: the
/// image must get ready with their tables, as a candidate must with the site's.
pub(super) fn run(
    layout: &Layout,
    stack: &Stack,
    site: &Site,
    suite: &smoke::Suite,
    image: &Path,
    ready_within: Duration,
) -> Result<String> {
    let folder = layout.run().join("trial");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let ports = WebPorts { http: free_port()?, https: free_port()? };
    let mysql_port = free_port()?;
    let _mysql = Mysql::start(layout, Policy::Resolve, site, &folder.join("mysql"), mysql_port)?;
    let mut machine = boot(stack, site, image, &folder, ports, mysql_port)?;
    let visitor = Visitor::new(&stack.host, ports.https, site.root())?;
    machines::await_ready(&mut machine, &visitor, ready_within)?;
    let endpoint = Endpoint::on_loopback(&stack.host, ports.https, ports.http, &site.root_path());
    let file = folder.join("endpoint.json");
    endpoint.write(&file)?;
    suite.judge(&file)
}

fn boot(
    stack: &Stack,
    site: &Site,
    image: &Path,
    folder: &Path,
    ports: WebPorts,
    mysql_port: u16,
) -> Result<Machine> {
    let disk = folder.join("disk.raw");
    fs::copy(image, &disk).with_context(|| format!("cannot copy {}", image.display()))?;
    web::place_config(&disk, &site.config(&Places::in_guest(ports.https, mysql_port))?)?;
    let mut spec = web_spec(&folder.join("web"), stack.web.memory_mib, WebBoot::Uefi { disk }, ports);
    spec.cpus = stack.web.cpus;
    Machine::start(&spec)
}
