//! The machine that the stories are about, and the visitor whose requests must keep being answered.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use image::machine::Network;
use tests::stand::{Stand, Way, Web, WebPlan};
use tests::wire::{Dhcp, KERNEL_ARGUMENTS, Peer, Router, Wire};

use super::secure;

/// Where the service's own limits are not what is judged.
const WIDE: &str = "[limits]\nconnections = 4096\nidle_s = 600\nheader_s = 120\nhandshake_s = 120\n\
                    [operations]\nmetrics_token = 'whoever-has-this-may-read-figures'\n";
/// The line of a head that shows the token.
const TOKEN: &str = "Authorization: Bearer whoever-has-this-may-read-figures\r\n";
/// How the machine's figures name the memory that is left.
const AVAILABLE: &str = "machine_memory_bytes{state=\"available\"} ";
/// A visitor's patience: a lost handshake segment alone costs a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// After this a machine no longer asks for routers: it does three times, 4 s apart (RFC 4861, 10), and none is here.
pub(super) const NO_ROUTER: Duration = Duration::from_secs(15);

/// One look at an address where nobody may be yet, and how long a machine may take to move there.
const LOOK: Duration = Duration::from_millis(500);
const MOVE: Duration = Duration::from_secs(60);

/// The machine and its network.
pub(super) struct Site {
    /// Kept, or the machine would end.
    pub(super) web: Web,
    /// The visitor, and everybody else at this end of the wire.
    pub(super) peer: Peer,
    last_visit: Instant,
}

impl Site {
    /// A machine that serves, on a wire of its own.
    pub(super) fn open(stand: &mut Stand) -> Result<Self> {
        Self::start(stand, KERNEL_ARGUMENTS, "")?.visited()
    }

    /// The same, whose service has room and time for everybody.
    pub(super) fn open_wide(stand: &mut Stand) -> Result<Self> {
        Self::start(stand, KERNEL_ARGUMENTS, WIDE)?.visited()
    }

    /// The same as `open`, and its instructions are counted.
    pub(super) fn open_counted(stand: &mut Stand) -> Result<Self> {
        Self::plan(stand, KERNEL_ARGUMENTS, "", |plan| plan.counted())?.visited()
    }

    /// The same as `open`, with so much memory.
    pub(super) fn open_small(stand: &mut Stand, memory_mib: u32) -> Result<Self> {
        Self::plan(stand, KERNEL_ARGUMENTS, "", |plan| plan.memory_mib(memory_mib))?.visited()
    }

    fn visited(mut self) -> Result<Self> {
        self.visit()?;
        Ok(self)
    }

    /// A machine that asks `dhcp` for its address.
    pub(super) fn open_asking(stand: &mut Stand, dhcp: Dhcp) -> Result<Self> {
        let mut site = Self::start(stand, "", "")?;
        let address = dhcp.address;
        site.peer.wire.dhcp = Some(dhcp);
        site.moves_to(address)?;
        Ok(site)
    }

    /// A machine that asks name servers at these two addresses for its database.
    pub(super) fn open_asking_names(stand: &mut Stand, servers: [[u8; 4]; 2]) -> Result<Self> {
        let [first, second] = servers.map(std::net::Ipv4Addr::from);
        let arguments = format!("{KERNEL_ARGUMENTS} env=HERMIT_DNS={first},{second}");
        Self::plan(stand, &arguments, "", |plan| plan.database_at("db.foobar.com"))?.visited()
    }

    /// A machine that a router of IPv6 tells where it is.
    pub(super) fn open_routed(stand: &mut Stand, router: Router) -> Result<Self> {
        let mut site = Self::start(stand, KERNEL_ARGUMENTS, "")?;
        site.peer.wire.router = Some(router);
        site.moves_to(router.address())?;
        Ok(site)
    }

    fn start(stand: &mut Stand, kernel_arguments: &str, limits: &str) -> Result<Self> {
        Self::plan(stand, kernel_arguments, limits, |plan| plan)
    }

    fn plan(
        stand: &mut Stand,
        kernel_arguments: &str,
        limits: &str,
        more: impl FnOnce(WebPlan<'_>) -> WebPlan<'_>,
    ) -> Result<Self> {
        let folder = stand.next_machine_folder(Way::Direct)?;
        let wire = Wire::lay(&folder, stand.dice())?;
        let plan = stand
            .web(Way::Direct, 1, "nobody-asks-for-it")
            .connected_to(Network::Datagrams)
            .kernel_arguments(kernel_arguments)
            .configured(limits);
        let web = more(plan).serve()?;
        Ok(Self { web, peer: Peer::at(wire), last_visit: Instant::now() })
    }

    /// Waits until the machine answers at this address.
    pub(super) fn moves_to(&mut self, address: impl Into<IpAddr>) -> Result<()> {
        let address = address.into();
        self.peer.machine = address;
        let start = Instant::now();
        while self.peer.visit(LOOK).is_err() {
            ensure!(start.elapsed() < MOVE, "the machine does not answer at {address}");
        }
        self.visit()
    }

    /// A visit that must be answered.
    pub(super) fn visit(&mut self) -> Result<()> {
        self.last_visit = Instant::now();
        let answered = self.peer.visit(PATIENCE).map(drop);
        answered.with_context(|| self.web.console().unwrap_or_default())
    }

    /// A visit, if the last one is a while ago: called all the time while something else goes on.
    pub(super) fn visit_now_and_then(&mut self) -> Result<()> {
        const INTERVAL: Duration = Duration::from_millis(500);
        if self.last_visit.elapsed() < INTERVAL { Ok(()) } else { self.visit() }
    }

    /// Memory that the machine could still use, in bytes; one that was opened wide tells.
    pub(super) fn memory_available(&mut self, stand: &Stand) -> Result<i64> {
        let figures = secure::get(stand, self, "/metrics", TOKEN, PATIENCE)?;
        let value = figures.lines().find_map(|line| line.strip_prefix(AVAILABLE));
        let value = value.with_context(|| format!("no {AVAILABLE}in {figures}"))?;
        value.trim().parse().with_context(|| format!("{AVAILABLE}{value}"))
    }

    /// The machine is as it was: it serves, and nothing was reported on its console.
    pub(super) fn is_unharmed(&mut self) -> Result<()> {
        self.visit()?;
        let console = self.web.console()?;
        let complaint = console.lines().find(|line| line.contains("panic") || line.contains("[ERROR]"));
        ensure!(complaint.is_none(), "the console: {}", complaint.unwrap_or_default());
        Ok(())
    }
}
