//! Everything that stands ready before a measurement: built machines, wires, the database with its rows.
//!
//! Invariant: a machine that it returns answers; machines, MySQL and wires end with the stage.
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ::image::debian::Policy;
use ::image::machine::{Machine, Pace, Spec, WebBoot, WebPorts, web};
use ::image::wait::Status;
use ::image::yardstick::{self, Yardstick};
use ::image::{Layout, Stack, command, db, guest, kernel, loader, toolchain, web as web_image};
use anyhow::{Context, Result};

use crate::lock;
use crate::mysql::Mysql;
use crate::pebble::Pebble;
use crate::site::{Places, Site, write_secret};
use crate::visit::Visitor;

pub(super) use bridge::HOST;

mod bridge;
pub(super) mod namespace;
pub(super) mod subject;

use bridge::{Bridge, wire};
use subject::{Place, Subject};

/// MySQL's own port.
const MYSQL: u16 = 3306;
/// A counted Linux takes the longest.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);
/// What the front page shows at most.
const POSTS: usize = 20;
/// Room for twice the greatest crowd: at its default the service would ask some of a slow machine's crowd to go, as it
/// does when somebody waits for a place. And time for those who idle while a slow machine lets in the last of them.
const LIMITS: &[u8] = b"\n[limits]\nconnections = 1024\nidle_s = 600\n";
/// A disk's sector.
const SECTOR_BYTES: u64 = 512;

/// The machines' parts.
pub(super) struct Built {
    application: PathBuf,
    loader: PathBuf,
    yardstick: Yardstick,
    busybox: PathBuf,
}

impl Built {
    /// Builds what is not built yet.
    pub(super) fn build(layout: &Layout, stack: &Stack) -> Result<Self> {
        let _lock = lock::build(layout)?;
        let toolchain = toolchain::find(layout)?;
        let loader = loader::build(layout, &toolchain)?.multiboot;
        let kernel = kernel::build(layout, &toolchain)?;
        let optimisation = stack.web.optimisation;
        let bare = guest::build(layout, &toolchain, &kernel, guest::Purpose::Bench, optimisation)?;
        let application = bare.with_extension("sealed");
        web_image::seal_application(&bare, &application)?;
        let yardstick = yardstick::build(layout, Policy::Resolve, optimisation)?;
        let busybox = db::host_tree(layout, Policy::Resolve)?.root().join("usr/bin/busybox");
        Ok(Self { application, loader, yardstick, busybox })
    }
}

/// How a machine is to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) memory_mib: u32,
    /// The round trip's extra length.
    pub(super) delay_ms: u32,
    pub(super) pace: Pace,
}

/// The stage.
pub(super) struct Stage<'a> {
    layout: &'a Layout,
    site: Site,
    host: &'a str,
    built: Built,
    folder: PathBuf,
    memory_mib: u32,
    mysql: Mysql,
    _bridge: Bridge,
}

impl<'a> Stage<'a> {
    /// Builds the wires and starts the database.
    pub(super) fn set(layout: &'a Layout, stack: &'a Stack, memory_mib: u32) -> Result<Self> {
        let built = Built::build(layout, stack)?;
        let folder = layout.run().join("bench-net");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let bridge = Bridge::build(&built.busybox, &folder)?;
        let site = Site::open(layout, stack)?;
        let mysql = Mysql::start_at(layout, Policy::Resolve, &site, &folder, (HOST, MYSQL))?;
        Ok(Self { layout, site, host: &stack.host, built, folder, memory_mib, mysql, _bridge: bridge })
    }

    /// The name that requests ask for.
    pub(super) fn host(&self) -> &str {
        self.host
    }

    /// The root that the servers' certificates are of, in PEM.
    pub(super) fn root(&self) -> &str {
        self.site.root()
    }

    /// A busybox of this host's.
    pub(super) fn busybox(&self) -> &PathBuf {
        &self.built.busybox
    }

    /// The database's process.
    pub(super) fn mysql_id(&self) -> u32 {
        self.mysql.id()
    }

    /// A folder for small files.
    pub(super) fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Memory as usual, no delay, full speed.
    pub(super) fn usual(&self) -> Setting {
        Setting { memory_mib: self.memory_mib, delay_ms: 0, pace: Pace::Free }
    }

    /// Powers a machine on and waits until its servers answer.
    pub(super) fn start(&self, place: Place, setting: Setting) -> Result<Machine> {
        let mut machine = self.power_on(place, setting)?;
        let subjects: &[Subject] = match place {
            Place::Web => &[Subject::Web],
            Place::Yardstick => &[Subject::Linux, Subject::Nginx],
        };
        for subject in subjects {
            self.await_answer(&mut machine, *subject)?;
        }
        Ok(machine)
    }

    /// Both machines, and the database's rows, which take a service's migrations.
    pub(super) fn start_both(&self, setting: Setting) -> Result<[Machine; 2]> {
        let machines = [self.start(Place::Web, setting)?, self.start(Place::Yardstick, setting)?];
        self.fill()?;
        Ok(machines)
    }

    /// Powers a machine on.
    pub(super) fn power_on(&self, place: Place, setting: Setting) -> Result<Machine> {
        let network = wire(place, setting.delay_ms * 1000 / 2);
        let folder = self.folder.join(place.interface());
        let mut spec = match place {
            Place::Web => self.web(&folder, setting, &self.config()?)?,
            Place::Yardstick => {
                let settings = self.settings()?;
                self.built.yardstick.machine(&folder, setting.memory_mib, &settings, network.clone())
            }
        };
        spec.network = network;
        spec.pace = setting.pace;
        Machine::start(&spec)
    }

    /// What either machine's service is told.
    fn config(&self) -> Result<Vec<u8>> {
        let mut config = self.site.config(&Places::in_guest(443, MYSQL))?;
        config.extend_from_slice(LIMITS);
        Ok(config)
    }

    /// A web machine with a certificate of this authority's, which must be where machines see this host.
    pub(super) fn start_certified(&self, pebble: &Pebble) -> Result<Machine> {
        let config = toml::to_string(&pebble.certifies(&self.config()?)?)?;
        let mut spec = self.web(&self.folder.join("certified"), self.usual(), config.as_bytes())?;
        spec.network = wire(Place::Web, 0);
        let mut machine = Machine::start(&spec)?;
        await_first(
            &mut machine,
            Subject::Web,
            &Visitor::at(self.host, Subject::Web.https(), &pebble.root()?)?,
        )?;
        Ok(machine)
    }

    fn web(&self, folder: &std::path::Path, setting: Setting, config: &[u8]) -> Result<Spec> {
        let boot = WebBoot::Direct {
            loader: self.built.loader.clone(),
            application: self.built.application.clone(),
            arguments: web_image::ARGUMENTS.to_owned(),
            config: web_image::sealed_config(config)?,
        };
        Ok(web(folder, setting.memory_mib, boot, WebPorts { http: 0, https: 0 }))
    }

    /// The yardstick's second disk: what the web machine is told by its configuration file, and the same for nginx.
    fn settings(&self) -> Result<PathBuf> {
        let folder = self.folder.join("settings");
        fs::create_dir_all(&folder)?;
        let config = self.config()?;
        let table: toml::Table = toml::from_str(std::str::from_utf8(&config)?)?;
        let text =
            |key: &str| table["tls"][key].as_str().map(str::to_owned).context("the configuration has no key");
        write_secret(&folder.join("config.toml"), &config)?;
        write_secret(&folder.join("certificate.pem"), text("certificate_chain")?.as_bytes())?;
        write_secret(&folder.join("key.pem"), text("private_key")?.as_bytes())?;
        let disk = self.folder.join("settings.tar");
        let mut tar = Command::new("tar");
        tar.arg("--create").arg("--file").arg(&disk).arg("--directory").arg(&folder);
        command::run(tar.args(["config.toml", "certificate.pem", "key.pem"]))?;
        let file = File::options().write(true).open(&disk)?;
        file.set_len(file.metadata()?.len().next_multiple_of(SECTOR_BYTES))?;
        Ok(disk)
    }

    /// Waits for the first answer over TLS.
    pub(super) fn await_answer(&self, machine: &mut Machine, subject: Subject) -> Result<()> {
        await_first(machine, subject, &self.visitor(subject)?)
    }

    fn visitor(&self, subject: Subject) -> Result<Visitor> {
        Visitor::at(self.host, subject.https(), self.site.root())
    }

    /// The memory that a machine could still give to programs, as its service says.
    pub(super) fn available_kib(&self, place: Place) -> Result<u64> {
        const KEY: &str = "machine_memory_bytes{state=\"available\"} ";
        let service = if place == Place::Web { Subject::Web } else { Subject::Linux };
        let figures = self.visitor(service)?.figures("/metrics", self.site.metrics_token())?;
        let value = figures.lines().find_map(|line| line.strip_prefix(KEY));
        let bytes: u64 =
            value.context("the service does not say how much memory there is")?.trim().parse()?;
        Ok(bytes / 1024)
    }

    /// As many posts as the front page shows, unless they are there. A service has made the table by then.
    fn fill(&self) -> Result<()> {
        let statement =
            "INSERT INTO posts (title, body) VALUES ('A title of some words', REPEAT('Some words. ', 20));\n";
        let database = self.site.database_config(&HOST.to_string(), MYSQL)?;
        let database: toml::Table = toml::from_str(std::str::from_utf8(&database)?)?;
        let mut text = format!("[client]\nuser=site\npassword={}\n", self.site.passwords().site);
        for (option, key) in [("ssl-cert", "certificate"), ("ssl-key", "key")] {
            let path = self.folder.join(format!("client-{key}.pem"));
            let pem = database[key].as_str().context("the database's section has no certificate")?;
            write_secret(&path, pem.as_bytes())?;
            writeln!(text, "{option}={}", path.display())?;
        }
        let settings = self.folder.join("client.cnf");
        write_secret(&settings, text.as_bytes())?;
        let tree = db::host_tree(self.layout, Policy::Resolve)?;
        ::image::wait::wait_until(ANSWER_DEADLINE, "the table of posts", || {
            let mut client = tree.program("usr/bin/mysql");
            client.arg(format!("--defaults-file={}", settings.display()));
            client.args(["--ssl-mode=REQUIRED", "--protocol=TCP", &format!("--host={HOST}"), "site"]);
            client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut client = client.spawn().context("cannot start MySQL's client")?;
            let input = client.stdin.take().context("MySQL's client has no input")?;
            let written = { input }.write_all(statement.repeat(POSTS).as_bytes());
            let output = client.wait_with_output()?;
            if output.status.success() && written.is_ok() {
                return Ok(Status::Reached(()));
            }
            Ok(Status::Pending(String::from_utf8_lossy(&output.stderr).into_owned()))
        })
    }
}

fn await_first(machine: &mut Machine, subject: Subject, visitor: &Visitor) -> Result<()> {
    let started = Instant::now();
    machine.wait_for(ANSWER_DEADLINE, &format!("an answer of {subject:?}"), |_| {
        Ok(match visitor.get("/robots.txt", started.elapsed()) {
            Ok(200) => Status::Reached(()),
            Ok(status) => Status::Pending(format!("answer {status}")),
            Err(error) => Status::Pending(format!("{error:#}")),
        })
    })
}
