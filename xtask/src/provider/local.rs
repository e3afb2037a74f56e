//! A cloud in a box: QEMU machines on a bridge in an unprivileged network namespace of this host.
//!
//! Everything here runs inside the namespace, where [`cloud`] brings this program. Machines outlive it. Invariant: all that a cloud
//! keeps lies below its folder, and nothing of the user's own stack is touched.
mod address;
pub(crate) mod cloud;
pub(crate) mod db;
mod machines;
mod servers;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ::image::machine::Machine as Qemu;
use ::image::{Layout, layout};
use anyhow::{Context, Result, ensure};

use super::{Machine, Provider, Reserved, machine_name};
pub(crate) use machines::Room;

/// The web machine's drain may take 30 s; then it powers off.
const STOP_DEADLINE: Duration = Duration::from_secs(45);
/// QEMU ends within a moment of being told to.
const QUIT_DEADLINE: Duration = Duration::from_secs(10);

/// The db machine's address in the box.
pub(crate) const DATABASE: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 5);
/// The name servers' addresses in the box, the primary first.
pub(crate) const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 80, 0, 53), Ipv4Addr::new(10, 80, 0, 54)];
/// Where visitors in the box ask for names.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 1);
/// What the web machines' addresses begin with, and the last numbers that they may have.
const NETWORK: [u8; 3] = [10, 80, 0];
const NUMBERS: std::ops::RangeInclusive<u8> = 11..=26;

/// The machines of this checkout's cloud.
pub(crate) struct Local {
    layout: Layout,
    folder: PathBuf,
    has_reserved: bool,
}

/// Moves evidence, images and box: tests have their own.
const FOLDER: &str = "BOOTSTACK_RELEASE";

/// Where releases keep what they know.
pub(crate) fn release_folder(layout: &Layout) -> PathBuf {
    std::env::var_os(FOLDER).map_or_else(|| layout.target().join("release"), PathBuf::from)
}

/// Where a checkout's box keeps everything.
pub(crate) fn folder(layout: &Layout) -> PathBuf {
    release_folder(layout).join("cloud")
}

impl Local {
    pub(crate) fn new(layout: &Layout, has_reserved: bool) -> Self {
        Self { layout: layout.clone(), folder: folder(layout), has_reserved }
    }

    fn image(&self, sum: &str) -> PathBuf {
        self.folder.join("images").join(format!("{sum}.raw"))
    }

    fn room(&self, name: &str) -> PathBuf {
        self.folder.join("machines").join(name)
    }

    /// An address that no machine has.
    fn free_number(&mut self) -> Result<u8> {
        let taken: Vec<IpAddr> = self.list()?.into_iter().map(|machine| machine.address).collect();
        let mut free = NUMBERS.filter(|number| !taken.contains(&address_of(*number)));
        free.next().context("the box has no free address: stop a machine")
    }
}

fn address_of(number: u8) -> IpAddr {
    let [a, b, c] = NETWORK;
    Ipv4Addr::new(a, b, c, number).into()
}

impl Provider for Local {
    fn lacks(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn place_image(&mut self, image: &Path, sum: &str) -> Result<()> {
        let place = self.image(sum);
        if place.exists() {
            return Ok(());
        }
        layout::replace(&place, |temporary| {
            fs::copy(image, temporary).with_context(|| format!("cannot copy {}", image.display())).map(drop)
        })
    }

    fn keep_images(&mut self, sums: &[String]) -> Result<()> {
        let images = self.folder.join("images");
        for image in fs::read_dir(&images).with_context(|| format!("cannot read {}", images.display()))? {
            let path = image?.path();
            let sum = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !sums.iter().any(|kept| kept == sum) {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Another process starts it and ends, so that the machine belongs to nobody who could be interrupted.
    fn start(&mut self, sum: &str, configuration: &[u8]) -> Result<Machine> {
        let image = self.image(sum);
        ensure!(image.exists(), "the image {sum} is not placed");
        let name = machine_name(sum);
        let room = Room::prepare(&self.room(&name), &image, configuration)?;
        let number = self.free_number()?;
        let mut starter = Command::new(std::env::current_exe()?);
        starter.args(["release", "start-machine"]).arg(room.folder()).arg(number.to_string());
        let status = starter.stdin(Stdio::null()).status().context("cannot start this program again")?;
        ensure!(status.success(), "the machine {name} could not be started");
        room.note(Machine {
            name,
            image: sum.to_owned(),
            address: address_of(number),
            since_s: super::now_s(),
        })
    }

    fn list(&mut self) -> Result<Vec<Machine>> {
        let folder = self.folder.join("machines");
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in entries {
            found.extend(Room::at(&entry?.path()).running()?);
        }
        found.sort_by_key(|machine| machine.since_s);
        Ok(found)
    }

    fn stop(&mut self, machine: &str) -> Result<()> {
        let room = self.room(machine);
        if let Some(mut qemu) = Qemu::find("web", &room) {
            let pressed = Instant::now();
            if qemu.power_down(STOP_DEADLINE).is_err() {
                ::image::progress::note(format!(
                    "{machine} did not power off within {} s: switched off",
                    pressed.elapsed().as_secs()
                ));
                // No error when it has ended in the meantime: the wait tells.
                let _ = qemu.control("quit");
                qemu.wait_for_end(QUIT_DEADLINE)?;
            }
        }
        Room::at(&room).clear()
    }

    fn reserved(&mut self) -> Result<Option<Reserved>> {
        self.has_reserved.then(|| address::reserved(&self.folder)).transpose()
    }

    fn lead(&mut self, machine: &str) -> Result<()> {
        let found = self.list()?.into_iter().find(|running| running.name == machine);
        address::lead(&self.layout, &self.folder, &found.with_context(|| format!("{machine} does not run"))?)
    }
}
