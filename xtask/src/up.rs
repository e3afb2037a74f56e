//! `cargo xtask up`: from source to an answer over verified HTTPS.
//!
//! Builds what is missing, boots both machines, waits until they serve, judges them by the smoke suite and lets them
//! run on. Invariant: whatever happens before the last step, no machine is left behind.
use ::image::machine::{Machine, check_free};
use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::build::{self, Boot, Built};
use crate::endpoint::{self, Endpoint};
use crate::preflight::{self, Purpose};
use crate::site::Site;
use crate::stack::{self, Host, Ports};
use crate::{lock, smoke, volume};

/// Build what is missing, boot the stack in QEMU, judge it, and say where it answers
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// How both machines boot: directly by QEMU (fastest), or from their disk images by UEFI or BIOS
    #[arg(long, value_enum, default_value_t = Boot::Direct)]
    boot: Boot,
    /// Virtual CPUs of the web machine instead of stack.toml's
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=2))]
    cpus: Option<u32>,
    /// Port on 127.0.0.1 for HTTPS
    #[arg(long, default_value_t = 8443, value_parser = clap::value_parser!(u16).range(1..))]
    https_port: u16,
    /// Port on 127.0.0.1 for HTTP, which redirects to HTTPS
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    http_port: u16,
    /// Port on 127.0.0.1 for MySQL
    #[arg(long, default_value_t = 13306, value_parser = clap::value_parser!(u16).range(1..))]
    mysql_port: u16,
    /// Throw the volume away and start with a blank one: all rows are lost
    #[arg(long)]
    fresh_volume: bool,
    /// Confirms --fresh-volume
    #[arg(long, requires = "fresh_volume")]
    yes_destroy_all_data: bool,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: build::Packages,
}

impl Up {
    pub(crate) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        let _lock = lock::stack(&layout)?;
        stack::refuse_running(&layout)?;
        self.check_confirmed(&layout)?;
        self.check_ports()?;
        preflight::check(&layout, &[Purpose::Build, Purpose::Boot], self.preflight)?;
        let built = build::all(&layout, self.packages.policy())?;
        let site = Site::open(&layout, &stack)?;
        let accel = stack::accelerator(&layout, &stack, &site, &built.web, self.ports())?;
        let host = Host { layout: &layout, stack: &stack, site: &site, ports: self.ports(), accel };
        let endpoint = self.boot(&host, &built)?;
        announce(&endpoint);
        Ok(())
    }

    fn ports(&self) -> Ports {
        Ports { https: self.https_port, http: self.http_port, mysql: self.mysql_port }
    }

    fn check_confirmed(&self, layout: &Layout) -> Result<()> {
        let volume = volume::path(layout);
        ensure!(
            !self.fresh_volume || self.yes_destroy_all_data,
            "--fresh-volume would destroy every row on {}: if that is what you want, add --yes-destroy-all-data",
            volume.display()
        );
        Ok(())
    }

    fn check_ports(&self) -> Result<()> {
        let ports = [
            ("--https-port", self.https_port),
            ("--http-port", self.http_port),
            ("--mysql-port", self.mysql_port),
        ];
        for (index, (flag, port)) in ports.iter().enumerate() {
            if let Some((other, _)) = ports[..index].iter().find(|(_, taken)| taken == port) {
                bail!("{flag} and {other} are both {port}: give two different ports");
            }
            check_free(*port).with_context(|| format!("choose another port with {flag}"))?;
        }
        Ok(())
    }

    /// Boots both machines, has them judged, and lets them go.
    fn boot(&self, host: &Host<'_>, built: &Built) -> Result<Endpoint> {
        let volume = volume::open(host.layout, host.stack, self.fresh_volume, self.packages.policy())?;
        let step = progress::start("db machine boots");
        let folder = stack::db_folder(host.layout);
        let mut db = host.start_db(&folder, &built.db, self.boot, &volume)?;
        // Compiled while the db machine boots: it takes nothing from the machines.
        let suite = smoke::build(host.layout)?;
        stack::await_db(&mut db, &step)?;
        step.done("accepts logins");
        let web = self.boot_web(host, built)?;
        let endpoint = judge(host, &suite, &web)?;
        endpoint.write(&endpoint::path(host.layout))?;
        db.detach()?;
        web.detach()?;
        Ok(endpoint)
    }

    fn boot_web(&self, host: &Host<'_>, built: &Built) -> Result<Machine> {
        let step = progress::start("web machine boots");
        let cpus = self.cpus.unwrap_or(host.stack.web.cpus);
        let mut web = host.start_web(&stack::web_folder(host.layout), &built.web, self.boot, cpus)?;
        stack::await_ready(&mut web, &host.visitor()?, stack::READY_DEADLINE)?;
        step.done("answers over verified HTTPS");
        Ok(web)
    }
}

/// Runs the smoke suite against the machines before anybody is told of them.
fn judge(host: &Host<'_>, suite: &smoke::Suite, web: &Machine) -> Result<Endpoint> {
    let Ports { https, http, .. } = host.ports;
    let endpoint = Endpoint::on_loopback(&host.stack.host, https, http, &host.site.root_path());
    let candidate = stack::web_folder(host.layout).join("endpoint.json");
    endpoint.write(&candidate)?;
    let step = progress::start("smoke tests");
    let log = web.serial_log();
    let verdict =
        suite.judge(&candidate).with_context(|| format!("the web machine's log: {}", log.display()))?;
    step.done(verdict);
    Ok(endpoint)
}

fn announce(endpoint: &Endpoint) {
    println!("\n{}\n", endpoint.url());
    println!("try:   {}", endpoint.curl());
    println!("stop:  cargo xtask down");
}
