//! One web machine's folder in the box: its own disk with its configuration, and a note of what it is.
//!
//! Invariant: the note is written when the machine runs, and counts only while it does.
use std::fs;
use std::path::{Path, PathBuf};

use ::image::machine::{Machine as Qemu, Network, WebBoot, WebPorts, web as web_spec};
use ::image::{Stack, web};
use anyhow::{Context, Result};

use super::super::Machine;

/// The folder.
pub(crate) struct Room(PathBuf);

impl Room {
    pub(super) fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Copies the image and puts the configuration on the copy; what an earlier machine left goes.
    pub(super) fn prepare(folder: &Path, image: &Path, configuration: &[u8]) -> Result<Self> {
        let room = Self::at(folder);
        room.clear()?;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let disk = room.disk();
        fs::copy(image, &disk).with_context(|| format!("cannot copy {}", image.display()))?;
        restrict(&disk)?;
        web::place_config(&disk, configuration)?;
        Ok(room)
    }

    fn disk(&self) -> PathBuf {
        self.0.join("disk.raw")
    }

    /// Powers the machine on at the bridge's port `number` and lets it go.
    pub(crate) fn start(folder: &Path, stack: &Stack, number: u8) -> Result<()> {
        let boot = WebBoot::Uefi { disk: Self::at(folder).disk() };
        let mut spec = web_spec(folder, stack.web.memory_mib, boot, WebPorts { http: 0, https: 0 });
        spec.cpus = stack.web.cpus;
        spec.network = tap(number);
        Qemu::start(&spec)?.detach()
    }

    fn path(&self) -> PathBuf {
        self.0.join("machine.json")
    }

    /// Notes what runs here.
    pub(super) fn note(&self, machine: Machine) -> Result<Machine> {
        ::image::layout::replace_with(&self.path(), &serde_json::to_vec(&machine)?)?;
        Ok(machine)
    }

    /// The machine, if it runs. One whose start was not noted any more is nobody's: it is ended.
    pub(super) fn running(&self) -> Result<Option<Machine>> {
        let Some(mut qemu) = Qemu::find("web", &self.0) else { return Ok(None) };
        match fs::read(self.path()) {
            Ok(text) => {
                let damaged = || format!("{} is damaged", self.path().display());
                serde_json::from_slice(&text).map(Some).with_context(damaged)
            }
            Err(_) => {
                qemu.cut()?;
                Ok(None)
            }
        }
    }

    /// Removes the note and the disk with its secrets; logs stay until the next machine of the name.
    pub(super) fn clear(&self) -> Result<()> {
        for path in [self.path(), self.disk()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The bridge's port `number`; the box's DHCP server knows each hardware address.
pub(super) fn tap(number: u8) -> Network {
    Network::Tap { interface: format!("tap{number}"), mac: mac(number), hold_us: 0 }
}

/// Of QEMU's range of locally administered addresses.
pub(super) fn mac(number: u8) -> String {
    format!("52:54:00:80:00:{number:02x}")
}

fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot restrict {}", path.display()))
}
