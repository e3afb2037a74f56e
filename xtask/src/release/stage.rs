//! The real world of a release: a provider, a zone, the smoke suite, the clock.
//!
//! Each act is small and may be repeated; order and judgement are the flow's. Invariant: a verdict on a machine comes from
//! requests over verified HTTPS by the public name, and from nothing else.
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::image::wait::{Status, wait_until};
use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result, bail, ensure};

use super::config::{Config, Keeper, READY_S};
use super::evidence::{Evidence, Store, read, write};
use super::history::History;
use super::leak::{self, Count, LEAST_VISITS};
use super::world::World;
use super::{Dns, prepare, trial};
use crate::dns::{Key, Kind, Names, Records, Server, Zone, absolute, await_everywhere, zone_lines};
use crate::endpoint::Endpoint;
use crate::provider::command::Commanded;
use crate::provider::local::{self, Local, cloud};
use crate::provider::{Machine, Provider, now_s};
use crate::site::{Places, Site};
use crate::smoke::{self, Suite};
use crate::visit::{self, Visitor};

/// Between two visits of a watch. A hundred connections in ten seconds find what leaks with each.
const VISIT_INTERVAL: Duration = Duration::from_millis(100);
/// A visit of a watch is given as long as a look by somebody who has waited this long: some seconds.
const VISIT_PATIENCE: Duration = Duration::from_secs(24);
/// Between two looks at name servers that do not agree yet.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// A name server listens within a second of its start; a busy host takes longer.
const SERVERS_DEADLINE: Duration = Duration::from_secs(20);
/// A person who changes a zone by hand may have to call another person.
const MANUAL_DEADLINE: Duration = Duration::from_secs(24 * 3600);
/// HTTPS (RFC 9110, 4.2.2).
const HTTPS: u16 = 443;

/// Everything that a release acts upon.
pub(super) struct Stage<'a> {
    layout: &'a Layout,
    stack: &'a Stack,
    config: &'a Config,
    pub(super) provider: Box<dyn Provider>,
    pub(super) zone: Zone,
    site: Site,
    manual: bool,
    store: Store,
    image: String,
}

/// Who keeps the machines.
pub(super) fn provider(layout: &Layout, config: &Config) -> Box<dyn Provider> {
    match (config.machines.provider, &config.machines.program) {
        (Keeper::Command, Some(program)) => Box::new(Commanded::new(program)),
        _ => Box::new(Local::new(layout, config.machines.reserved)),
    }
}

/// The zone with its servers, and the key unless a person changes it.
pub(super) fn zone(layout: &Layout, config: &Config, dns: Dns) -> Result<Zone> {
    let records = &config.records;
    let is_local = config.machines.provider == Keeper::Local;
    let servers: Result<Vec<Server>> = match is_local {
        true => local::SERVERS.iter().map(|address| Server::parse(&address.to_string())).collect(),
        false => records.servers.iter().map(|text| Server::parse(text)).collect(),
    };
    let key = match (&records.key, dns) {
        (_, Dns::Manual) => None,
        (Some(path), _) => Some(Key::read(path)?),
        (None, _) if is_local => Some(cloud::key(layout)?),
        (None, _) => None,
    };
    let name = absolute(&records.zone);
    let host = absolute(&Stack::load(layout)?.host);
    ensure!(host == name || host.ends_with(&format!(".{name}")), "{host} is not in the zone {name}");
    let apex = records.apex.then(|| name.clone());
    Ok(Zone { names: Names { host, apex, form: records.form }, servers: servers?, key, name })
}

/// Why the zone cannot be used as it is.
pub(super) fn lacks(zone: &Zone, dns: Dns) -> Vec<String> {
    let mut problems: Vec<String> =
        zone.records().err().map(|error| format!("{error:#}")).into_iter().collect();
    if dns == Dns::Update && zone.key.is_none() {
        problems.push("records.key is not set: name a TSIG key's file, or use --dns manual".to_owned());
    }
    problems
}

/// The box's name servers may have been started a moment ago.
fn await_servers(zone: &Zone) -> Result<()> {
    wait_until(SERVERS_DEADLINE, "one answer of the box's name servers", || {
        Ok(match zone.records() {
            Ok(_) => Status::Reached(()),
            Err(error) => Status::Pending(format!("{error:#}")),
        })
    })
}

impl<'a> Stage<'a> {
    /// To act upon: name servers that disagree or cannot be asked are refused.
    pub(super) fn open(layout: &'a Layout, stack: &'a Stack, config: &'a Config, dns: Dns) -> Result<Self> {
        let stage = Self::look(layout, stack, config, dns)?;
        if config.machines.provider == Keeper::Local {
            await_servers(&stage.zone)?;
        }
        let problems = lacks(&stage.zone, dns);
        if !problems.is_empty() {
            bail!("nothing was changed, for:\n  {}", problems.join("\n  "));
        }
        Ok(stage)
    }

    /// To look at, whatever its name servers say.
    pub(super) fn look(layout: &'a Layout, stack: &'a Stack, config: &'a Config, dns: Dns) -> Result<Self> {
        let zone = zone(layout, config, dns)?;
        Ok(Self {
            layout,
            stack,
            config,
            provider: provider(layout, config),
            zone,
            site: Site::open(layout, stack)?,
            manual: dns == Dns::Manual,
            store: Store::new(&prepare::folder(layout)),
            image: String::new(),
        })
    }

    /// Takes the image that is to be released.
    pub(super) fn choose(&mut self, image: &str) -> Result<()> {
        let path = prepare::image_path(self.layout, image);
        ensure!(path.exists(), "the image {} is gone", path.display());
        image.clone_into(&mut self.image);
        Ok(())
    }

    pub(super) fn evidence(&self, image: &str) -> Result<Option<Evidence>> {
        self.store.load(image)
    }

    fn suite(&self) -> Result<Suite> {
        smoke::build(self.layout)
    }

    /// The root that visitors trust.
    fn root(&self) -> PathBuf {
        self.config.machines.root.clone().unwrap_or_else(|| self.site.root_path())
    }

    /// A visitor who finds the site at this address.
    pub(super) fn visitor(&self, address: IpAddr) -> Result<Visitor> {
        let root = fs::read_to_string(self.root()).context("cannot read the root that visitors trust")?;
        Visitor::at(&self.stack.host, SocketAddr::from((address, HTTPS)), &root)
    }

    /// The configuration of a web machine, secrets and all.
    fn configuration(&self) -> Result<Vec<u8>> {
        if let Some(path) = &self.config.machines.configuration {
            return fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        }
        let mut places = Places::in_guest(HTTPS, 3306);
        let database = local::DATABASE.to_string();
        places.database_host = &database;
        self.site.config(&places)
    }

    fn judge(&self, address: IpAddr, name: &str) -> Result<String> {
        let file = prepare::folder(self.layout).join(name);
        Endpoint::at(&self.stack.host, address, &self.root()).write(&file)?;
        let step = progress::start(format!("smoke tests at {address}"));
        let words = self.suite()?.judge(&file)?;
        step.done(&words);
        Ok(words)
    }

    fn settle(&self, wanted: &Records, deadline: Duration) -> Result<()> {
        let step = progress::start("every authoritative server answers");
        await_everywhere(&self.zone.servers, &self.zone.names.all(), wanted, deadline, &step)?;
        step.done(format!("{} servers", self.zone.servers.len()));
        Ok(())
    }

    /// Where a visitor without memory is led.
    fn public_addresses(&mut self) -> Result<Vec<IpAddr>> {
        let records = self.records()?;
        let alias =
            records.get(&self.zone.names.host, Kind::Cname).and_then(|set| set.values.first().cloned());
        let name = alias.unwrap_or_else(|| self.zone.names.host.clone());
        let sets = [Kind::A, Kind::Aaaa].into_iter().filter_map(|kind| records.get(&name, kind));
        let addresses: Vec<IpAddr> =
            sets.flat_map(|set| set.values.iter()).filter_map(|value| value.parse().ok()).collect();
        ensure!(!addresses.is_empty(), "{} leads to no address", self.zone.names.host);
        Ok(addresses)
    }
}

impl World for Stage<'_> {
    fn now_s(&self) -> u64 {
        now_s()
    }

    fn wait_until_s(&mut self, moment_s: u64, what: &str) -> Result<()> {
        let left_s = moment_s.saturating_sub(now_s());
        let step = progress::start(what);
        wait_until(Duration::from_secs(left_s + 1), what, || {
            let left_s = moment_s.saturating_sub(now_s());
            step.update(format!("{left_s} s"));
            Ok(if left_s == 0 { Status::Reached(()) } else { Status::Pending(format!("{left_s} s left")) })
        })?;
        step.done("");
        Ok(())
    }

    fn save(&mut self, evidence: &Evidence) -> Result<()> {
        self.store.save(evidence)
    }

    fn history(&mut self) -> Result<History> {
        Ok(read(&prepare::folder(self.layout).join("history.json"))?.unwrap_or_default())
    }

    fn keep_history(&mut self, history: &History) -> Result<()> {
        write(&prepare::folder(self.layout).join("history.json"), history)
    }

    fn trial(&mut self) -> Result<String> {
        let step = progress::start("trial: the image boots here");
        let image = prepare::image_path(self.layout, &self.image);
        // A provider's machines may be faster than this host's, which may be emulated.
        let ready_within = Duration::from_secs(self.config.machines.ready_s.max(READY_S));
        let words = trial::run(self.layout, self.stack, &self.site, &self.suite()?, &image, ready_within)?;
        step.done(&words);
        Ok(words)
    }

    fn place(&mut self) -> Result<()> {
        self.provider.place_image(&prepare::image_path(self.layout, &self.image), &self.image)
    }

    fn machines(&mut self) -> Result<Vec<Machine>> {
        self.provider.list()
    }

    fn start(&mut self) -> Result<Machine> {
        if self.config.machines.provider == Keeper::Local {
            local::db::ensure(self.layout)?;
        }
        let step = progress::start("the candidate starts");
        let machine = self.provider.start(&self.image, &self.configuration()?)?;
        step.done(format!("{} at {}", machine.name, machine.address));
        Ok(machine)
    }

    fn ready(&mut self, machine: &Machine) -> Result<String> {
        let step = progress::start("the candidate gets ready");
        let visitor = self.visitor(machine.address)?;
        let started = Instant::now();
        wait_until(Duration::from_secs(self.config.machines.ready_s), "readiness", || {
            Ok(match visitor.get(visit::READY, started.elapsed()) {
                Ok(200) => Status::Reached(()),
                Ok(status) => Status::Pending(format!("answer {status}")),
                Err(error) => Status::Pending(format!("{error:#}")),
            })
        })?;
        step.done("");
        Ok(format!("ready {:.1} s after it was first asked", started.elapsed().as_secs_f32()))
    }

    fn smoke(&mut self, machine: &Machine) -> Result<String> {
        self.judge(machine.address, "candidate.json")
    }

    fn watch(&mut self, machine: &Machine) -> Result<String> {
        let visitor = self.visitor(machine.address)?;
        let until_s = machine.since_s + self.config.machines.watch_s;
        let step = progress::start("watch over the candidate");
        let configuration = self.configuration()?;
        let before = Count::take(&visitor, &configuration);
        let (mut visits, mut last) = (0_u64, None::<Instant>);
        let left = Duration::from_secs(until_s.saturating_sub(now_s()) + 60);
        wait_until(left, "the end of the watch", || {
            if last.is_none_or(|at| at.elapsed() >= VISIT_INTERVAL) {
                last = Some(Instant::now());
                let status = visitor
                    .get(visit::READY, VISIT_PATIENCE)
                    .with_context(|| format!("visit {}", visits + 1))?;
                ensure!(status == 200, "visit {} was answered {status}", visits + 1);
                visits += 1;
            }
            step.update(format!("{visits} visits"));
            Ok(if now_s() >= until_s && visits >= LEAST_VISITS {
                Status::Reached(())
            } else {
                Status::Pending(format!("{visits} visits"))
            })
        })?;
        let open = leak::judge(&before, &Count::take(&visitor, &configuration), visits)?;
        let words = format!("{visits} visits, all answered; {open}");
        step.done(&words);
        Ok(words)
    }

    fn stop(&mut self, machine: &Machine) -> Result<()> {
        let step = progress::start(format!("{} drains and stops", machine.name));
        self.provider.stop(&machine.name)?;
        step.done("");
        Ok(())
    }

    fn forget(&mut self, kept: &[String]) -> Result<()> {
        self.provider.keep_images(kept)?;
        let images = prepare::folder(self.layout).join("images");
        for entry in fs::read_dir(&images).with_context(|| format!("cannot read {}", images.display()))? {
            let path = entry?.path();
            let sum = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !kept.iter().any(|known| known == sum) {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn reserved(&mut self) -> Result<Option<(IpAddr, Option<String>)>> {
        Ok(self.provider.reserved()?.map(|reserved| (reserved.address, reserved.machine)))
    }

    fn lead(&mut self, machine: &Machine) -> Result<()> {
        self.provider.lead(&machine.name)
    }

    /// Servers that were just told of a change take a moment to agree.
    fn records(&mut self) -> Result<Records> {
        let mut asked: Option<Instant> = None;
        let mut seen = String::new();
        wait_until(
            Duration::from_secs(self.config.records.settle_s),
            "one answer of all name servers",
            || {
                if asked.is_none_or(|at| at.elapsed() >= ASK_INTERVAL) {
                    asked = Some(Instant::now());
                    match self.zone.records() {
                        Ok(records) => return Ok(Status::Reached(records)),
                        Err(error) => seen = format!("{error:#}"),
                    }
                }
                Ok(Status::Pending(seen.clone()))
            },
        )
    }

    fn wanted(&self, address: IpAddr, ttl_s: u32) -> Records {
        self.zone.names.records(&[address], ttl_s)
    }

    fn change(&mut self, before: &Records, after: &Records) -> Result<()> {
        if self.manual {
            println!("put these lines into the zone {}:\n{}", self.zone.name, zone_lines(before, after));
            return self.settle(after, MANUAL_DEADLINE);
        }
        self.zone.update(before, after)?;
        self.settle(after, Duration::from_secs(self.config.records.settle_s))
    }

    fn show(&mut self, lines: &[String]) {
        println!("{}", lines.join("\n"));
    }

    fn smoke_public(&mut self) -> Result<String> {
        let addresses = self.public_addresses()?;
        let words: Result<Vec<String>> =
            addresses.into_iter().map(|address| self.judge(address, "public.json")).collect();
        Ok(words?.join("; "))
    }
}
