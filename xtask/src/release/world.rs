//! What a release acts upon, as the flow sees it: small acts that are each safe to repeat.
//!
//! The real one is `site`; the flow's tests have one that can be killed anywhere. Invariant: an act that fails may have had its
//! effect or not, so the flow looks before it acts.
use std::net::IpAddr;

use anyhow::Result;

use super::evidence::Evidence;
use super::history::History;
use crate::dns::Records;
use crate::provider::Machine;

/// Machines, records and the clock.
pub(crate) trait World {
    /// Seconds of the Unix epoch.
    fn now_s(&self) -> u64;
    /// Ends when the clock says so.
    fn wait_until_s(&mut self, moment_s: u64, what: &str) -> Result<()>;
    /// Keeps what is known.
    fn save(&mut self, evidence: &Evidence) -> Result<()>;
    /// What was released before.
    fn history(&mut self) -> Result<History>;
    /// Keeps what is released.
    fn keep_history(&mut self, history: &History) -> Result<()>;

    /// Boots the image here and judges it: what the suite said.
    fn trial(&mut self) -> Result<String>;
    /// Puts the image where machines can boot it; nothing happens when it is there.
    fn place(&mut self) -> Result<()>;
    /// Every web machine that runs at the provider.
    fn machines(&mut self) -> Result<Vec<Machine>>;
    /// Starts a machine with the image.
    fn start(&mut self) -> Result<Machine>;
    /// Waits until the machine answers with its database behind it.
    fn ready(&mut self, machine: &Machine) -> Result<String>;
    /// Judges the machine at its address, by the public name.
    fn smoke(&mut self, machine: &Machine) -> Result<String>;
    /// Visits the machine steadily until it is old enough to be trusted.
    fn watch(&mut self, machine: &Machine) -> Result<String>;
    /// Lets the machine finish what it does, then ends it.
    fn stop(&mut self, machine: &Machine) -> Result<()>;
    /// Forgets images beyond those that are kept.
    fn forget(&mut self, kept: &[String]) -> Result<()>;

    /// An address that the provider moves between machines, if it has one, and the machine that it leads to.
    fn reserved(&mut self) -> Result<Option<(IpAddr, Option<String>)>>;
    /// Lets the reserved address lead to the machine.
    fn lead(&mut self, machine: &Machine) -> Result<()>;

    /// What every authoritative server says.
    fn records(&mut self) -> Result<Records>;
    /// The records that lead to this address.
    fn wanted(&self, address: IpAddr, ttl_s: u32) -> Records;
    /// Makes `before` into `after`, from exactly `before`, and waits until every authoritative server answers it.
    fn change(&mut self, before: &Records, after: &Records) -> Result<()>;
    /// Shows the change before it is made.
    fn show(&mut self, lines: &[String]);
    /// Judges the site by its public name.
    fn smoke_public(&mut self) -> Result<String>;
}
