//! A web machine of a story.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http::StatusCode;
use image::machine::{
    self, Ended, Machine, Network, Pace, Variation, WebBoot, WebPorts, debug_exit_status, free_port,
};
use image::wait::Status;

use super::{Stand, Way};
use crate::{Answer, Client, Endpoint, Request};

/// Logged by the service once it listens.
const SERVING: &str = "serving";
/// A boot by UEFI takes some 4 s under emulation on a quiet host; a busy one may need many times that.
const BOOT_DEADLINE: Duration = Duration::from_secs(120);
/// From listening to the first answer that has passed through the database: migrations included.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// One look at a machine that may not answer at all.
const LOOK: Duration = Duration::from_secs(5);

/// A web machine, and whoever visits it.
pub struct Web {
    /// The machine.
    pub machine: Machine,
    client: Client,
    ports: WebPorts,
}

/// How a web machine shall be.
pub struct Plan<'a> {
    stand: &'a mut Stand,
    way: Way,
    cpus: u32,
    memory_mib: u32,
    database: Option<String>,
    database_port: u16,
    password: String,
    ports: Option<WebPorts>,
    damage: Option<Damage>,
    lacks: Vec<String>,
    variation: Variation,
    network: Option<Network>,
    kernel_arguments: String,
    more_config: String,
    tls: Option<String>,
    pace: Pace,
    runs_inside: bool,
}

type Damage = Box<dyn FnOnce(&std::path::Path) -> Result<()>>;

impl Stand {
    /// A plan for a web machine that asks the MySQL at `database_port` of the host with this password.
    pub fn web(&mut self, way: Way, database_port: u16, password: &str) -> Plan<'_> {
        let memory_mib = self.parts.stack().web.memory_mib;
        let password = password.to_owned();
        Plan {
            stand: self,
            way,
            cpus: 1,
            memory_mib,
            database: None,
            database_port,
            password,
            ports: None,
            damage: None,
            lacks: Vec::new(),
            variation: Variation::default(),
            network: None,
            kernel_arguments: String::new(),
            more_config: String::new(),
            tls: None,
            pace: Pace::Free,
            runs_inside: false,
        }
    }
}

impl Plan<'_> {
    /// With this many virtual CPUs instead of one.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// With this much memory instead of `stack.toml`'s.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// With a processor that lacks these features, by QEMU's names.
    #[must_use]
    pub fn without(mut self, features: &[&str]) -> Self {
        self.lacks = features.iter().map(|feature| (*feature).to_owned()).collect();
        self
    }

    /// Where `former` was reached.
    #[must_use]
    pub fn in_place_of(mut self, former: Web) -> Self {
        self.ports = Some(former.ports);
        self
    }

    /// With its own disk changed by `damage` before power-on.
    #[must_use]
    pub fn damaged(mut self, damage: impl FnOnce(&std::path::Path) -> Result<()> + 'static) -> Self {
        self.damage = Some(Box::new(damage));
        self
    }

    /// Unusual in these ways.
    #[must_use]
    pub fn varied(mut self, variation: Variation) -> Self {
        self.variation = variation;
        self
    }

    /// With its network card connected to this instead of QEMU's own network; [`Web::client`] does not reach it there.
    #[must_use]
    pub fn connected_to(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    /// With these arguments to its kernel; for a direct boot only.
    #[must_use]
    pub fn kernel_arguments(mut self, arguments: &str) -> Self {
        arguments.clone_into(&mut self.kernel_arguments);
        self
    }

    /// With a database that it knows by this name only.
    #[must_use]
    pub fn database_at(mut self, name: &str) -> Self {
        self.database = Some(name.to_owned());
        self
    }

    /// With these tables added to its configuration.
    #[must_use]
    pub fn configured(mut self, tables: &str) -> Self {
        tables.clone_into(&mut self.more_config);
        self
    }

    /// With this as the section `[tls]` of its configuration, tables within it included.
    #[must_use]
    pub fn secured(mut self, tls: &str) -> Self {
        self.tls = Some(tls.to_owned());
        self
    }

    /// With its instructions counted.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.pace = Pace::Counted;
        self
    }

    /// With the program that judges the kernel in the service's place; for a direct boot only.
    #[must_use]
    pub fn judged_from_inside(mut self) -> Self {
        self.runs_inside = true;
        self
    }

    /// Powers the machine on.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start(self) -> Result<Web> {
        let stand = self.stand;
        let folder = stand.machine_folder(&format!("web-{}", self.way.name()))?;
        let ports = self.ports.map_or_else(free_ports, Ok)?;
        let mut config = stand.identity.config(
            ports.https,
            self.tls.as_deref(),
            self.database.as_deref(),
            self.database_port,
            &self.password,
        )?;
        config.extend(self.more_config.as_bytes());
        let mut boot = stand.parts.web_boot(self.way, &folder, &config)?;
        if let WebBoot::Direct { arguments, application, .. } = &mut boot {
            *arguments = format!("{} {arguments}", self.kernel_arguments).trim_start().to_owned();
            if self.runs_inside {
                stand.parts.inside()?.clone_into(application);
            }
        }
        if let (Some(damage), Some(disk)) = (self.damage, disk(&boot)) {
            damage(&disk)?;
        }
        let mut spec = machine::web(&folder, self.memory_mib, boot, ports);
        spec.cpus = self.cpus;
        spec.lacks = self.lacks;
        spec.variation = self.variation;
        spec.pace = self.pace;
        if let Some(network) = self.network {
            spec.network = network;
        }
        let client = Client::new(&endpoint(stand, ports))?;
        let machine = Machine::start(&spec)?;
        stand.watch(&machine);
        Ok(Web { machine, client, ports })
    }

    /// Powers the machine on and waits until it listens.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub fn serve(self) -> Result<Web> {
        let mut web = self.start()?;
        web.wait_until_serving()?;
        Ok(web)
    }

    /// Powers the machine on and waits until the database answers through it.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub fn ready(self) -> Result<Web> {
        let mut web = self.serve()?;
        web.wait_until("/readyz", StatusCode::OK, READY_DEADLINE)?;
        Ok(web)
    }
}

impl Web {
    /// Who visits it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits until the service listens.
    ///
    /// # Errors
    /// When the machine ends first or the deadline passes.
    pub fn wait_until_serving(&mut self) -> Result<()> {
        self.machine.wait_for_line(BOOT_DEADLINE, SERVING).map(drop)
    }

    /// Waits until `path` is answered with `status`.
    ///
    /// # Errors
    /// When the machine ends first or the deadline passes.
    pub fn wait_until(&mut self, path: &str, status: StatusCode, deadline: Duration) -> Result<Answer> {
        let what = format!("{status} at {path}");
        let (client, request) = (self.client.clone(), Request::get(path).within(LOOK));
        self.machine.wait_for(deadline, &what, |_| {
            Ok(match client.send(&request) {
                Ok(answer) if answer.status == status => Status::Reached(answer),
                Ok(answer) => Status::Pending(answer.to_string()),
                Err(error) => Status::Pending(format!("{error:#}")),
            })
        })
    }

    /// One request, and how long its answer took from the connection's start.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn timed(&self, path: &str) -> Result<(Answer, Duration)> {
        let start = Instant::now();
        let answer = self.client.get(path)?;
        Ok((answer, start.elapsed()))
    }

    /// Everything the machine has written to its serial port.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn console(&self) -> Result<String> {
        console(&self.machine)
    }
}

/// Whether a web machine's end tells of a failure. A power-off is QEMU's status 0; a kernel whose application succeeded
/// writes 1 to the debug port.
#[must_use]
pub fn is_failure(ended: Ended) -> bool {
    !matches!(ended, Ended::Status(status) if status == 0 || status == debug_exit_status(1))
}

pub(super) fn console(machine: &Machine) -> Result<String> {
    let log = machine.serial_log();
    let bytes = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn free_ports() -> Result<WebPorts> {
    Ok(WebPorts { http: free_port()?, https: free_port()? })
}

fn endpoint(stand: &Stand, ports: WebPorts) -> Endpoint {
    Endpoint {
        https: format!("127.0.0.1:{}", ports.https),
        http: format!("127.0.0.1:{}", ports.http),
        host: stand.identity.host().to_owned(),
        ca: stand.identity.root_path(),
        read_only: false,
    }
}

fn disk(boot: &WebBoot) -> Option<PathBuf> {
    match boot {
        WebBoot::Direct { .. } => None,
        WebBoot::Uefi { disk } | WebBoot::Bios { disk } => Some(disk.clone()),
    }
}
