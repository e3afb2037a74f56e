//! What machines are made of, built once for all stories, and only what the stories need.
//!
//! Invariant: a machine never writes to a part; what it may write to is its own copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use image::db::{DbImage, Mysqld};
use image::debian::Policy;
use image::machine::{Credential, DbBoot, WebBoot};
use image::web::{self, WebImage};
use image::{Layout, Stack, db, guest, kernel, loader, toolchain};

/// How a web machine boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// QEMU loads the multiboot loader, the application and the configuration.
    Direct,
    /// UEFI firmware, from the disk.
    Uefi,
    /// BIOS, from the disk.
    Bios,
}

impl Way {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Uefi, Self::Bios];

    /// In tables and folder names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Uefi => "uefi",
            Self::Bios => "bios",
        }
    }
}

/// What `stack.toml` says, and the images, each built when it is first asked for.
pub struct Parts {
    layout: Layout,
    stack: Stack,
    web: OnceLock<WebImage>,
    inside: OnceLock<PathBuf>,
    db: OnceLock<DbImage>,
}

impl Parts {
    pub(super) fn new(layout: Layout) -> Result<Self> {
        let stack = Stack::load(&layout)?;
        Ok(Self { layout, stack, web: OnceLock::new(), inside: OnceLock::new(), db: OnceLock::new() })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn host(&self) -> &str {
        &self.stack.host
    }

    pub(super) fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The web machine's disk image.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn web_disk(&self) -> Result<&Path> {
        Ok(&self.web()?.raw)
    }

    fn web(&self) -> Result<&WebImage> {
        once(&self.web, || {
            let toolchain = toolchain::find(&self.layout)?;
            let loader = loader::build(&self.layout, &toolchain)?;
            let kernel = kernel::build(&self.layout, &toolchain)?;
            let application = guest::build(
                &self.layout,
                &toolchain,
                &kernel,
                guest::Purpose::Site,
                self.stack.web.optimisation,
            )?;
            web::assemble(&self.layout, &loader, &application)
        })
    }

    /// The program that judges the kernel from inside, sealed as the loader wants it.
    pub(super) fn inside(&self) -> Result<&Path> {
        let sealed = once(&self.inside, || {
            let toolchain = toolchain::find(&self.layout)?;
            let kernel = kernel::build(&self.layout, &toolchain)?;
            let program = guest::build(
                &self.layout,
                &toolchain,
                &kernel,
                guest::Purpose::Inside,
                self.stack.web.optimisation,
            )?;
            let sealed = program.with_extension("sealed");
            web::seal_application(&program, &sealed)?;
            Ok(sealed)
        })?;
        Ok(sealed)
    }

    fn db(&self) -> Result<&DbImage> {
        once(&self.db, || db::build(&self.layout, Policy::Resolve))
    }

    pub(super) fn db_boot(&self) -> Result<DbBoot> {
        let db = self.db()?;
        Ok(DbBoot::Direct {
            kernel: db.kernel.clone(),
            initrd: db.initrd.clone(),
            root: db.root.clone(),
            arguments: db.arguments.clone(),
        })
    }

    /// The db machine's compressed disk, by BIOS.
    pub(super) fn db_compressed_boot(&self) -> Result<DbBoot> {
        Ok(DbBoot::Bios { disk: self.db()?.qcow2.clone() })
    }

    /// The machine's own copy of the disk in `folder`, with its credentials on it, by UEFI.
    pub(super) fn db_disk_boot(&self, folder: &Path, credentials: &[Credential]) -> Result<DbBoot> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let disk = folder.join("disk.raw");
        fs::copy(&self.db()?.disk, &disk).with_context(|| format!("cannot write {}", disk.display()))?;
        db::place_credentials(&disk, credentials)?;
        Ok(DbBoot::Uefi { disk })
    }

    /// A new volume at `path`, with MySQL initialised by the host.
    pub(super) fn make_volume(&self, path: &Path, bytes: u64) -> Result<()> {
        db::make_volume(&Mysqld::prepare(&self.layout, Policy::Resolve)?, path, bytes)
    }

    /// `folder` takes the machine's own copy of the disk.
    pub(super) fn web_boot(&self, way: Way, folder: &Path, config: &[u8]) -> Result<WebBoot> {
        Ok(match way {
            Way::Direct => WebBoot::Direct {
                loader: self.web()?.multiboot.clone(),
                application: self.web()?.application.clone(),
                arguments: web::ARGUMENTS.to_owned(),
                config: config.to_vec(),
            },
            Way::Uefi => WebBoot::Uefi { disk: self.own_disk(folder, config)? },
            Way::Bios => WebBoot::Bios { disk: self.own_disk(folder, config)? },
        })
    }

    /// A copy of the web disk in `folder` that carries `config`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn own_disk(&self, folder: &Path, config: &[u8]) -> Result<PathBuf> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let disk = folder.join("disk.raw");
        fs::copy(self.web_disk()?, &disk).with_context(|| format!("cannot write {}", disk.display()))?;
        web::place_config(&disk, config)?;
        Ok(disk)
    }
}

fn once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if cell.get().is_none() {
        let _ = cell.set(make()?);
    }
    cell.get().context("just made")
}
