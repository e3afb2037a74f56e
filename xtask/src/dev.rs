//! `cargo xtask dev`: the service on this host against the real MySQL, without a machine.
//!
//! The URL is printed when it answers. For the seconds between an edit and its effect: a change of the source starts the service anew; only `up` shows how
//! the site behaves on Hermit. Invariant: both programs end when this one does, and the data stay under `target` for the
//! next time.
use std::time::Instant;

use ::image::machine::check_free;
use ::image::{Layout, Stack};
use anyhow::{Context, Result};
use clap::Args;

mod service;
mod watch;

use crate::build::Packages;
use crate::endpoint::Endpoint;
use crate::hosted::{self, Profile};
use crate::mysql::Mysql;
use crate::preflight::{self, Purpose};
use crate::site::{Places, Site, write_secret};
use crate::visit::Visitor;

/// Run the service on this host against the real MySQL, without a machine
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Port on 127.0.0.1 for HTTPS
    #[arg(long, default_value_t = 8443, value_parser = clap::value_parser!(u16).range(1..))]
    https_port: u16,
    /// Port on 127.0.0.1 for HTTP, which redirects to HTTPS
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    http_port: u16,
    /// Port on 127.0.0.1 for MySQL
    #[arg(long, default_value_t = 13306, value_parser = clap::value_parser!(u16).range(1..))]
    mysql_port: u16,
    /// First add so many believable posts to the database
    #[arg(long, value_name = "POSTS", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    seed: Option<u64>,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: Packages,
}

impl Dev {
    pub(crate) fn run(&self) -> Result<()> {
        let begun = Instant::now();
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        self.check_ports()?;
        preflight::check(&layout, &[Purpose::Build], self.preflight)?;
        let site = Site::open(&layout, &stack)?;
        let folder = layout.run().join("dev");
        let _mysql = Mysql::start(&layout, self.packages.policy(), &site, &folder, self.mysql_port)?;
        let config = folder.join("config.toml");
        write_secret(
            &config,
            &site.config(&self.places(&self.address(self.http_port), &self.address(self.https_port)))?,
        )?;
        let endpoint = Endpoint::on_loopback(&stack.host, self.https_port, self.http_port, &site.root_path());
        if let Some(posts) = self.seed {
            hosted::seed(&layout, Profile::Dev, &config, posts)?;
        }
        let visitor = Visitor::new(&stack.host, self.https_port, site.root())?;
        service::serve(&layout, &config, &visitor, || {
            let (url, took_s) = (endpoint.url(), begun.elapsed().as_secs_f32());
            println!("\n{url} (ready after {took_s:.1} s)\n\ntry:   {}\nstop:  Ctrl-C\n", endpoint.curl());
        })
    }

    fn check_ports(&self) -> Result<()> {
        let ports = [
            ("--https-port", self.https_port),
            ("--http-port", self.http_port),
            ("--mysql-port", self.mysql_port),
        ];
        ports.iter().try_for_each(|(flag, port)| {
            check_free(*port).with_context(|| format!("choose another port with {flag}"))
        })
    }

    fn address(&self, port: u16) -> String {
        format!("127.0.0.1:{port}")
    }

    fn places<'a>(&self, http: &'a str, https: &'a str) -> Places<'a> {
        Places {
            http,
            https,
            public_port: self.https_port,
            database_host: "127.0.0.1",
            database_port: self.mysql_port,
        }
    }
}
