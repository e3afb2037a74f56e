//! Where machines run: a small contract with two keepers.
//!
//! [`local`] is a cloud in a box on this host; [`command`] asks executables of the person's own. It knows neither DNS nor what a
//! machine serves. Invariant: every act may be repeated: what is done already is not done twice.
pub(crate) mod command;
pub(crate) mod local;

use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// A web machine at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The provider's name for it.
    pub(crate) name: String,
    /// SHA-256 of the image that it runs.
    pub(crate) image: String,
    /// Where it answers.
    pub(crate) address: IpAddr,
    /// When it was started, in seconds of the Unix epoch.
    pub(crate) since_s: u64,
}

/// An address that can be led to any machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reserved {
    /// The address.
    pub(crate) address: IpAddr,
    /// The machine's name.
    #[serde(default)]
    pub(crate) machine: Option<String>,
}

/// A place where machines run.
pub(crate) trait Provider {
    /// What a release needs of this place and finds missing, all at once.
    fn lacks(&mut self) -> Vec<String>;
    /// Puts the image there under its sum, unless it is there.
    fn place_image(&mut self, image: &Path, sum: &str) -> Result<()>;
    /// Removes every image but these.
    fn keep_images(&mut self, sums: &[String]) -> Result<()>;
    /// Starts a machine with a placed image; `configuration` reaches it as its user-data.
    fn start(&mut self, sum: &str, configuration: &[u8]) -> Result<Machine>;
    /// Every web machine that runs there.
    fn list(&mut self) -> Result<Vec<Machine>>;
    /// Presses the power button, waits for the machine's drain and removes the machine.
    fn stop(&mut self, machine: &str) -> Result<()>;
    /// The address that can be led to any machine, where there is one.
    fn reserved(&mut self) -> Result<Option<Reserved>>;
    /// Leads the reserved address to the machine.
    fn lead(&mut self, machine: &str) -> Result<()>;
}

/// A machine's name for an image: the first twelve digits of its sum are unique enough and fit every cloud's limit.
pub(crate) fn machine_name(sum: &str) -> String {
    format!("web-{}", &sum[..sum.len().min(12)])
}

/// Seconds of the Unix epoch.
pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
