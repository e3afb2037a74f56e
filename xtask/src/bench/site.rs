//! `cargo xtask bench site`: the service on this host beside nginx with PHP-FPM: static files, the front page, paging, memory.
//!
//! One processor for the server that is measured, another one for load and database. Invariant: what is compared has the
//! same certificate, protocol, file and processor, is measured in turns, and its answers were compared before.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use ::image::machine::free_port;
use ::image::{Layout, Optimisation, Stack, layout, progress};
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::figures::Spread;
use super::h2load::{self, CONNECTIONS, Load, Protocol};
use super::wrk;
use crate::build::Packages;
use crate::endpoint::Endpoint;
use crate::hosted::{self, Hosted, Profile};
use crate::mysql::Mysql;
use crate::preflight::{self, Purpose};
use crate::site::{Places, Site, write_secret};
use crate::visit::Visitor;

mod memory;
mod nginx;
mod orderfile;
mod php;

use nginx::Nginx;
use php::Php;

pub(super) use php::find as php;

/// The processor of the server that is measured.
const SERVER_CPU: &str = "0";
/// Where the service and nginx are asked for the same bytes.
const FILE: &str = "/robots.txt";
/// What visitors ask for most. (Of a hundred searches at once most are told to come again, which is no figure.)
const COMMON: [&str; 4] = ["/", FILE, "/posts/1", "/feed.atom"];

/// The service on this host beside nginx with PHP-FPM: static files, the front page, paging, memory
#[derive(Debug, Args)]
pub(super) struct Sites {
    /// Measurements of each thing
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    repetitions: u16,
    /// Length of one measurement in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Posts in the database
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    posts: u64,
    /// Instead of measuring, write anew which functions the service runs, for the linker (service/orderfile.txt), after larger
    /// changes of code, packages or compiler
    #[arg(long)]
    write_orderfile: bool,
    /// Watch the service's memory over a million requests instead of fifty thousand
    #[arg(long)]
    million: bool,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: Packages,
}

/// Everything measured in one run.
#[derive(Debug, Serialize)]
struct Report {
    posts: u64,
    rows: Vec<Row>,
}

/// One comparison: the service's figure, the other's, and the ratio, each over the repetitions.
#[derive(Debug, Serialize)]
struct Row {
    what: String,
    asked: &'static str,
    ours: Spread,
    other: Option<Spread>,
    ratio: Option<Spread>,
}

/// What a service needs: a database with posts, and a configuration.
struct Ground {
    folder: PathBuf,
    config: PathBuf,
    endpoint: Endpoint,
    visitor: Visitor,
    mysql: Mysql,
}

/// What is measured, and everything that must live meanwhile.
struct Stage {
    endpoint: Endpoint,
    service: Hosted,
    nginx: Nginx,
    _php: Php,
    _mysql: Mysql,
}

impl Sites {
    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        let mut purposes = vec![Purpose::Build, Purpose::Load];
        purposes.extend(match self.write_orderfile {
            true => vec![Purpose::Trace],
            false => vec![Purpose::Compare, Purpose::Php],
        });
        preflight::check(&layout, &purposes, self.preflight)?;
        build(&layout, stack.web.optimisation)?;
        let ground = self.ground(&layout, &stack)?;
        if self.write_orderfile {
            return orderfile::write(&layout, &ground);
        }
        let stage = stage(&layout, &stack, ground)?;
        let report = Report { posts: self.posts, rows: self.rows(&stage)? };
        print!("{}", table(&report));
        let path = layout.target().join("bench/site.json");
        layout::replace_with(&path, (serde_json::to_string_pretty(&report)? + "\n").as_bytes())?;
        println!("\n{}", path.display());
        Ok(())
    }

    fn ground(&self, layout: &Layout, stack: &Stack) -> Result<Ground> {
        let site = Site::open(layout, stack)?;
        let folder = layout.run().join(if self.write_orderfile { "bench-site-new" } else { "bench-site" });
        if self.write_orderfile && folder.exists() {
            // In a new database, a start does what it does every few hours, too.
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let port = free_port()?;
        let mysql = Mysql::start(layout, self.packages.policy(), &site, &folder, port)?;
        let endpoint = Endpoint::on_loopback(&stack.host, free_port()?, free_port()?, &site.root_path());
        let config = folder.join("config.toml");
        let places = Places {
            http: &endpoint.http,
            https: &endpoint.https,
            public_port: endpoint.https_port()?,
            database_host: "127.0.0.1",
            database_port: port,
        };
        write_secret(&config, &site.config(&places)?)?;
        self.seed(layout, stack, &folder, &config)?;
        let mysql = if self.write_orderfile {
            // Who signs in first after its start is asked for more than those who come later.
            drop(mysql);
            Mysql::start(layout, self.packages.policy(), &site, &folder, port)?
        } else {
            mysql
        };
        let visitor = Visitor::new(&stack.host, endpoint.https_port()?, site.root())?;
        Ok(Ground { folder, config, endpoint, visitor, mysql })
    }

    /// The posts of an earlier run are used again.
    fn seed(&self, layout: &Layout, stack: &Stack, folder: &Path, config: &Path) -> Result<()> {
        let mark = folder.join("data").join(format!("seeded-{}", self.posts));
        if mark.exists() {
            return Ok(());
        }
        let step = progress::start(format!("{} posts", self.posts));
        hosted::seed(layout, Profile::Machine(stack.web.optimisation), config, self.posts)?;
        layout::replace_with(&mark, b"")?;
        step.done("");
        Ok(())
    }

    fn rows(&self, stage: &Stage) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for protocol in [Protocol::Http1, Protocol::Http2] {
            rows.extend(self.static_file(stage, protocol)?);
        }
        rows.push(self.front(stage)?);
        rows.push(self.paging(stage)?);
        rows.push(self.slowest(stage)?);
        rows.push(self.flat(stage)?);
        Ok(rows)
    }

    fn load(&self, endpoint: &Endpoint, path: &str) -> Load {
        Load::new(endpoint, &[path], self.seconds.into())
    }

    /// Requests per second of a file, in turns, and the memory of both after it.
    fn static_file(&self, stage: &Stage, protocol: Protocol) -> Result<[Row; 2]> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let (mut memory, mut their_memory) = (Vec::new(), Vec::new());
        let other = stage.nginx.endpoint(&stage.endpoint);
        for round in 1..=self.repetitions {
            let step = progress::start(format!("static file, {}, round {round}", protocol.name()));
            ours.push(self.file_rate(&stage.endpoint, protocol)?);
            theirs.push(self.file_rate(&other, protocol)?);
            memory.push(memory::mib(&[stage.service.id()])?);
            their_memory.push(memory::mib(&stage.nginx.processes()?)?);
            step.done("");
        }
        let name = protocol.name();
        Ok([
            Row::compared(format!("static file, {name}: requests/s"), "≥ 1.0 × nginx", &ours, &theirs)?,
            Row::compared(format!("static file, {name}: MiB"), "≤ 1.0 × nginx", &memory, &their_memory)?,
        ])
    }

    /// h2load has had enough before either server when it speaks HTTP/1.1 (98 % of its processor, 84 and 93 % of theirs).
    fn file_rate(&self, endpoint: &Endpoint, protocol: Protocol) -> Result<f64> {
        if protocol == Protocol::Http2 {
            return Ok(self.load(endpoint, FILE).run(protocol)?.rate);
        }
        let url = format!("https://{}{FILE}", endpoint.https);
        let host = format!("{}:{}", endpoint.host, endpoint.https_port()?);
        let cpu = Some(h2load::CPU);
        let load = wrk::Load {
            url: &url,
            host: &host,
            connections: CONNECTIONS,
            is_new: false,
            seconds: self.seconds,
            cpu,
        };
        Ok(load.run()?.rate())
    }

    /// Front pages per second, in turns with nginx and PHP-FPM.
    fn front(&self, stage: &Stage) -> Result<Row> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let other = stage.nginx.endpoint(&stage.endpoint);
        for round in 1..=self.repetitions {
            let step = progress::start(format!("front page, round {round}"));
            ours.push(self.load(&stage.endpoint, "/").run(Protocol::Http1)?.rate);
            theirs.push(self.load(&other, "/").run(Protocol::Http1)?.rate);
            step.done("");
        }
        Row::compared("front page: requests/s".to_owned(), "≥ 3.0 × PHP-FPM", &ours, &theirs)
    }

    /// Time of a page at depth 1,000 against the first.
    fn paging(&self, stage: &Stage) -> Result<Row> {
        let step = progress::start("paging to depth 1,000");
        let deep = h2load::page_at(&stage.endpoint, 1000)?;
        let (mut first, mut thousandth) = (Vec::new(), Vec::new());
        for _ in 0..self.repetitions {
            thousandth.push(self.load(&stage.endpoint, &deep).run(Protocol::Http1)?.mean_ms());
            first.push(self.load(&stage.endpoint, "/").run(Protocol::Http1)?.mean_ms());
        }
        step.done(&deep);
        Row::compared("page 1,000 against page 1: ms".to_owned(), "≤ 1.2 × page 1", &thousandth, &first)
    }

    /// The 99th percentile of the front page at half of its peak.
    fn slowest(&self, stage: &Stage) -> Result<Row> {
        let step = progress::start("front page at half of its peak");
        let load = self.load(&stage.endpoint, "/");
        let peak = load.run(Protocol::Http1)?.rate;
        let mut p99 = Vec::new();
        for _ in 0..self.repetitions {
            p99.push(load.at_rate(peak / 2.0).run(Protocol::Http1)?.p99_ms);
        }
        step.done(format!("peak {peak:.0}/s"));
        Row::alone("front page at half of its peak: p99 in ms".to_owned(), "< 50", &p99)
    }

    /// Memory at the end of many requests against that after a tenth of them.
    fn flat(&self, stage: &Stage) -> Result<Row> {
        let requests = if self.million { 1_000_000 } else { 50_000 };
        let step = progress::start(format!("memory over {requests} requests"));
        let mixed = Load::new(&stage.endpoint, &COMMON, 1);
        mixed.count(requests / 10).run(Protocol::Http2)?;
        let early = memory::mib(&[stage.service.id()])?;
        mixed.count(requests - requests / 10).run(Protocol::Http2)?;
        let late = memory::mib(&[stage.service.id()])?;
        step.done(format!("{early:.1} MiB, {late:.1} MiB"));
        Row::compared(
            format!("MiB after {requests} requests against a tenth of them"),
            "flat",
            &[late],
            &[early],
        )
    }
}

fn build(layout: &Layout, optimisation: Optimisation) -> Result<()> {
    ensure!(hosted::build(layout, Profile::Machine(optimisation))?, "the service does not compile");
    Ok(())
}

fn stage(layout: &Layout, stack: &Stack, ground: Ground) -> Result<Stage> {
    let Ground { folder, config, endpoint, visitor, mysql } = ground;
    let log = fs::File::create(folder.join("service.log"))?;
    let mut service =
        Hosted::start(layout, Profile::Machine(stack.web.optimisation), &config, Stdio::from(log))?;
    service.await_ready(&visitor)?;
    h2load::pin(service.id(), SERVER_CPU)?;
    h2load::pin(mysql.id(), h2load::CPU)?;
    let page = h2load::page(&endpoint, "/")?;
    let text = fs::read(&config)?;
    let php = Php::start(&folder.join("php"), &text, &page)?;
    let files = layout.root().join("service/assets");
    let nginx = Nginx::start(&folder.join("nginx"), &text, &files, &php.location())?;
    let stage = Stage { endpoint, service, nginx, _php: php, _mysql: mysql };
    stage.compare(&[FILE, "/"])?;
    Ok(stage)
}

impl Stage {
    /// Both must give the same for these addresses.
    fn compare(&self, paths: &[&str]) -> Result<()> {
        let other = self.nginx.endpoint(&self.endpoint);
        for path in paths {
            let (ours, theirs) = (h2load::page(&self.endpoint, path)?, h2load::page(&other, path)?);
            let (ours, theirs) = (lasting(&ours), lasting(&theirs));
            let differs = ours.split('<').zip(theirs.split('<')).find(|(ours, theirs)| ours != theirs);
            ensure!(ours == theirs, "{path} is not the same from both: {differs:?}");
        }
        Ok(())
    }
}

/// A page without what changes with the minute, and without space that nobody sees.
fn lasting(page: &str) -> String {
    let ages =
        page.split("</time>").map(|part| part.rsplit_once("UTC\">").map_or(part, |(before, _)| before));
    let words = ages.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    words.replace("> <", "><")
}

impl Row {
    fn compared(what: String, asked: &'static str, ours: &[f64], other: &[f64]) -> Result<Self> {
        let ratios: Vec<f64> = ours.iter().zip(other).map(|(ours, other)| ours / other).collect();
        let spread =
            |values: &[f64]| Spread::of(values).ok_or_else(|| anyhow::anyhow!("nothing was measured"));
        Ok(Self {
            what,
            asked,
            ours: spread(ours)?,
            other: Some(spread(other)?),
            ratio: Some(spread(&ratios)?),
        })
    }

    fn alone(what: String, asked: &'static str, ours: &[f64]) -> Result<Self> {
        let ours = Spread::of(ours).ok_or_else(|| anyhow::anyhow!("nothing was measured"))?;
        Ok(Self { what, asked, ours, other: None, ratio: None })
    }
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "{:<52} {:>10} {:>10}  {:<22} asked\n",
        "median of the repetitions", "ours", "other", "ratio (least–most)"
    );
    for row in &report.rows {
        let other = row.other.map(|other| format!("{:.2}", other.median)).unwrap_or_default();
        let ratio = row
            .ratio
            .map(|ratio| format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.least, ratio.most))
            .unwrap_or_default();
        text +=
            &format!("{:<52} {:>10.2} {other:>10}  {ratio:<22} {}\n", row.what, row.ours.median, row.asked);
    }
    text
}
