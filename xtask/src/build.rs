//! Builds the parts of a stack, the two machines at once, and says how each boots.
//!
//! What a part is made of is the `image` room's business. Invariant: one build at a time in a checkout.
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use ::image::db::DbImage;
use ::image::debian::Policy;
use ::image::machine::{DbBoot, WebBoot};
use ::image::web::{self, WebImage};
use ::image::{Layout, Stack, db, guest, kernel, loader, toolchain};
use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};

use crate::{interrupt, lock};

/// Flags of every verb that takes Debian packages.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Packages {
    /// Fail when the mirror no longer has a package of debian.lock, instead of resolving anew
    #[arg(long)]
    locked: bool,
    /// Resolve the db machine's packages anew and record them in debian.lock
    #[arg(long, conflicts_with = "locked")]
    update_lock: bool,
}

impl Packages {
    /// What the flags ask for.
    pub(crate) fn policy(self) -> Policy {
        match self {
            Self { locked: true, .. } => Policy::Locked,
            Self { update_lock: true, .. } => Policy::Update,
            _ => Policy::Resolve,
        }
    }

    /// As they are, for whoever only starts what was built.
    pub(crate) fn kept() -> Policy {
        Policy::Resolve
    }
}

/// Everything that a stack boots from.
pub(crate) struct Built {
    /// Of the web machine.
    pub(crate) web: Web,
    /// Of the db machine.
    pub(crate) db: DbImage,
}

/// What a web machine boots from.
pub(crate) struct Web {
    image: WebImage,
}

impl Built {
    /// The finished images.
    pub(crate) fn files(&self) -> [&Path; 4] {
        let [raw, qcow2] = self.web.files();
        [raw, qcow2, &self.db.disk, &self.db.qcow2]
    }
}

impl Web {
    /// The finished images: raw and qcow2.
    pub(crate) fn files(&self) -> [&Path; 2] {
        [&self.image.raw, &self.image.qcow2]
    }
}

/// Builds what is missing. The db machine's parts come from the network, the web machine's from the compiler: neither
/// waits for the other. Without network, the db machine's fails within seconds; the compiler is then stopped, so that the
/// person learns of it.
pub(crate) fn all(layout: &Layout, policy: Policy) -> Result<Built> {
    let _lock = lock::build(layout)?;
    thread::scope(|scope| {
        let db = scope.spawn(|| db::build(layout, policy).inspect_err(|_| interrupt::stop_started()));
        let web = web_parts(layout);
        let db = db.join().map_err(|_| anyhow!("the build of the db machine panicked"))?;
        // Looked at first: where both failed, it is why the other was stopped.
        let db = db?;
        Ok(Built { web: web?, db })
    })
}

/// Builds what is missing of the web machine only.
pub(crate) fn web(layout: &Layout) -> Result<Web> {
    let _lock = lock::build(layout)?;
    web_parts(layout)
}

/// Builds what is missing of the db machine only.
pub(crate) fn db(layout: &Layout, policy: Policy) -> Result<DbImage> {
    let _lock = lock::build(layout)?;
    db::build(layout, policy)
}

fn web_parts(layout: &Layout) -> Result<Web> {
    let toolchain = toolchain::find(layout)?;
    let loader = loader::build(layout, &toolchain)?;
    let kernel = kernel::build(layout, &toolchain)?;
    let optimisation = Stack::load(layout)?.web.optimisation;
    let application = guest::build(layout, &toolchain, &kernel, guest::Purpose::Site, optimisation)?;
    let image = web::assemble(layout, &loader, &application)?;
    Ok(Web { image })
}

/// How a machine boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Boot {
    /// QEMU loads the parts itself: the fastest way
    Direct,
    /// From the disk image, by UEFI firmware, as in most clouds
    Uefi,
    /// From the disk image, by a BIOS
    Bios,
}

impl Boot {
    /// Every way, fastest first.
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Bios, Self::Uefi];

    /// As it is typed.
    pub(crate) fn title(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The web machine in `folder` with its configuration; a boot disk is a copy of its own there.
    pub(crate) fn of_web(self, parts: &Web, folder: &Path, config: &[u8]) -> Result<WebBoot> {
        Ok(match self {
            Self::Direct => WebBoot::Direct {
                loader: parts.image.multiboot.clone(),
                application: parts.image.application.clone(),
                arguments: web::ARGUMENTS.to_owned(),
                config: web::sealed_config(config)?,
            },
            Self::Uefi => WebBoot::Uefi { disk: own_disk(&parts.image, folder, config)? },
            Self::Bios => WebBoot::Bios { disk: own_disk(&parts.image, folder, config)? },
        })
    }

    /// The db machine.
    pub(crate) fn of_db(self, image: &DbImage) -> DbBoot {
        match self {
            Self::Direct => DbBoot::Direct {
                kernel: image.kernel.clone(),
                initrd: image.initrd.clone(),
                root: image.root.clone(),
                arguments: image.arguments.clone(),
            },
            Self::Uefi => DbBoot::Uefi { disk: image.disk.clone() },
            Self::Bios => DbBoot::Bios { disk: image.disk.clone() },
        }
    }
}

/// Copies the image for one machine and puts the machine's configuration, with its secrets, on the copy.
fn own_disk(image: &WebImage, folder: &Path, config: &[u8]) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    remove_own_disk(folder)?;
    let disk = own_disk_path(folder);
    let mut copy = File::options().write(true).create_new(true).mode(0o600).open(&disk)?;
    let copied = File::open(&image.raw).and_then(|mut raw| io::copy(&mut raw, &mut copy));
    copied.with_context(|| format!("cannot copy {} to {}", image.raw.display(), disk.display()))?;
    web::place_config(&disk, config)?;
    Ok(disk)
}

/// Removes the copy, and the secrets with it.
pub(crate) fn remove_own_disk(folder: &Path) -> Result<()> {
    let disk = own_disk_path(folder);
    match fs::remove_file(&disk) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", disk.display()))
        }
        _ => Ok(()),
    }
}

fn own_disk_path(folder: &Path) -> PathBuf {
    folder.join("disk.raw")
}
