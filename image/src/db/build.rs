//! Builds the db machine's image: kernel, initrd and root file system for direct boot, and a disk that boots by UEFI and
//! by BIOS. Invariant: equal inputs make equal bytes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::contents::Contents;
use super::initrd::Archive;
use super::modules::{Modules, uncompressed};
use super::tree::Tree;
use super::{credentials, inputs, linux, root, uki};
use crate::debian::{self, Lock, Policy, Use};
use crate::disk::{BOOTS_BIOS, Content, Disk, Esp, Partition, READ_ONLY, Syslinux, kind};
use crate::{Layout, command, layout, progress};

/// Linux prints little: each line on an emulated serial port costs. `panic` reboots, which QEMU turns into an end.
/// systemd writes to the console itself, since there is no journal, and a dumb terminal is sent no escape sequences
/// that would stand before our lines. `no_timer_check`: on a busy host an emulated timer may be late, which Linux would
/// take for a broken one and panic ("IO-APIC + timer doesn't work", seen twice in some forty boots). A web machine that
/// was switched off is noticed within a minute, by probes or by answers that nobody takes (Linux: ip-sysctl): until then
/// its sessions count as connections and may hold locks.
const KERNEL_ARGUMENTS: &str = "console=tty0 console=ttyS0 quiet loglevel=3 panic=5 audit=0 no_timer_check \
    rcupdate.rcu_expedited=1 systemd.firstboot=off systemd.log_target=console systemd.log_level=warning \
    systemd.show_status=no systemd.log_color=no TERM=dumb \
    sysctl.net.ipv4.tcp_keepalive_time=30 sysctl.net.ipv4.tcp_keepalive_intvl=10 sysctl.net.ipv4.tcp_keepalive_probes=3 \
    sysctl.net.ipv4.tcp_retries2=8";
/// systemd's stub for UEFI.
const STUB: &str = "usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// The root file system's own id. It is the same in every image: the partition's GUID tells images apart.
const ROOT_UUID: &str = "b0075ac4-db00-4000-8000-000000000001";

/// What the db machine boots from.
#[derive(Clone, Debug)]
pub struct DbImage {
    /// Linux, uncompressed, for direct boot.
    pub kernel: PathBuf,
    /// The initial RAM disk, for direct boot.
    pub initrd: PathBuf,
    /// The read-only root file system, for direct boot as a disk with the serial `root`.
    pub root: PathBuf,
    /// Linux's command line for direct boot.
    pub arguments: String,
    /// The raw disk that boots by UEFI and by BIOS.
    pub disk: PathBuf,
    /// The same disk as qcow2.
    pub qcow2: PathBuf,
}

impl DbImage {
    fn at(layout: &Layout) -> Self {
        let parts = layout.build("db");
        Self {
            kernel: parts.join("linux"),
            initrd: parts.join("initrd"),
            root: parts.join("root.erofs"),
            arguments: format!("bootstack.root=serial:root {KERNEL_ARGUMENTS}"),
            disk: layout.images().join("db.raw"),
            qcow2: layout.images().join("db.qcow2"),
        }
    }

    fn exists(&self) -> bool {
        [&self.kernel, &self.initrd, &self.root, &self.disk, &self.qcow2].iter().all(|path| path.exists())
    }
}

/// Builds what is not built yet.
///
/// # Errors
/// When packages are missing and cannot be fetched, a tool fails, or the disk is full.
pub fn build(layout: &Layout, policy: Policy) -> Result<DbImage> {
    let lock = debian::packages(layout, policy)?;
    let image = DbImage::at(layout);
    let stamp = layout.build("db").join("image.inputs");
    let inputs = inputs::digest(layout, &lock, epoch_s())?;
    if image.exists() && fs::read_to_string(&stamp).is_ok_and(|built| built == inputs) {
        return Ok(image);
    }
    let _ = fs::remove_file(&stamp);
    Builder::new(layout, &lock)?.run(&image)?;
    layout::replace_with(&stamp, inputs.as_bytes())?;
    Ok(image)
}

struct Builder {
    contents: Contents,
    guest: Tree,
    tools: Tree,
    release: String,
    mysql_version: String,
    own: PathBuf,
    scratch: tempfile::TempDir,
}

impl Builder {
    fn new(layout: &Layout, lock: &Lock) -> Result<Self> {
        let guest = Tree::unpack(layout, lock, Use::Guest)?;
        let tools = Tree::unpack(layout, lock, Use::Tool)?.over(&guest);
        Ok(Self {
            contents: Contents::load(layout)?,
            release: only_entry(&guest.root().join("usr/lib/modules"))?,
            guest,
            tools,
            mysql_version: mysql_version(lock)?,
            own: layout.root().join("image/linux"),
            scratch: tempfile::Builder::new().prefix(".partial-").tempdir_in(layout.build("db"))?,
        })
    }

    fn run(&self, image: &DbImage) -> Result<()> {
        let modules = Modules::read(&self.guest, &self.release, self.scratch.path())?;
        let kernel = self.guest.root().join("boot").join(format!("vmlinuz-{}", self.release));
        let kernel = fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
        let initrd = self.initrd(&modules)?;
        layout::replace_with(
            &image.kernel,
            &linux::uncompressed(&kernel, &self.tools, self.scratch.path())?,
        )?;
        layout::replace_with(&image.initrd, &initrd)?;
        self.root(&modules, &image.root)?;
        let step = progress::start("db: disk");
        layout::replace(&image.disk, |path| self.disk(&kernel, &initrd, &image.root)?.write(path))?;
        layout::replace(&image.qcow2, |path| to_qcow2(&image.disk, path))?;
        step.done(progress::size(fs::metadata(&image.disk)?.len()));
        Ok(())
    }

    fn initrd(&self, modules: &Modules) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        ["bin", "dev", "modules", "proc", "root", "sys"].iter().for_each(|folder| archive.folder(folder));
        archive.device("dev/console", 5, 1);
        archive.program("bin/busybox", &read(&self.guest.root().join("usr/bin/busybox"))?);
        archive.program("init", &read(&self.own.join("initrd/init"))?);
        let mut order = String::new();
        for path in modules.closure(&self.contents.modules.initrd)? {
            let name = uncompressed(&path).rsplit('/').next().unwrap_or_default().to_owned();
            archive.file(&format!("modules/{name}"), &modules.content(&self.tools, &path)?);
            order.push_str(&name);
            order.push('\n');
        }
        archive.file("modules/order", order.as_bytes());
        Ok(archive.finish())
    }

    fn root(&self, modules: &Modules, erofs: &Path) -> Result<()> {
        let step = progress::start("db: root file system");
        let folder = self.scratch.path().join("root");
        root::copy_kept(self.guest.root(), &folder, &self.contents)?;
        root::overlay(&self.own.join("root"), &folder)?;
        let wanted = [&self.contents.modules.initrd[..], &self.contents.modules.guest[..]].concat();
        modules.install(&modules.closure(&wanted)?, &self.guest, &self.tools, &folder, &self.release)?;
        for mount_point in ["dev", "proc", "run", "sys", "tmp", "var/lib/mysql"] {
            fs::create_dir_all(folder.join(mount_point))?;
        }
        fs::write(folder.join("usr/share/bootstack/mysql-version"), format!("{}\n", self.mysql_version))?;
        layout::replace(erofs, |path| root::erofs(&self.tools, &folder, path, ROOT_UUID, epoch_s()))?;
        step.done(progress::size(fs::metadata(erofs)?.len()));
        Ok(())
    }

    fn disk(&self, kernel: &[u8], initrd: &[u8], erofs: &Path) -> Result<Disk> {
        let root = Partition {
            label: "bootstack-db-root".to_owned(),
            kind: kind::LINUX_ROOT_X64,
            attributes: READ_ONLY,
            content: Content::File(erofs.to_owned()),
        };
        let guid: String = root.guid()?.to_bytes_le().iter().map(|byte| format!("{byte:02x}")).collect();
        let arguments = format!("bootstack.root=partition:{guid} {KERNEL_ARGUMENTS}");
        let syslinux = Syslinux::find()?;
        let esp = self.esp(kernel, initrd, &arguments, &syslinux)?;
        let esp = Partition {
            label: "bootstack-db-boot".to_owned(),
            kind: kind::EFI,
            attributes: BOOTS_BIOS,
            content: Content::File(esp),
        };
        Ok(Disk { partitions: vec![esp, root], boot_code: Some(syslinux.boot_code()?) })
    }

    fn esp(&self, kernel: &[u8], initrd: &[u8], arguments: &str, syslinux: &Syslinux) -> Result<PathBuf> {
        let release =
            format!("NAME=\"bootstack db machine\"\nID=bootstack\nVERSION_ID={}\n", self.mysql_version);
        let sections = [
            (".osrel", release.as_bytes()),
            (".uname", self.release.as_bytes()),
            (".cmdline", arguments.as_bytes()),
            (".initrd", initrd),
            (".linux", kernel),
        ];
        let application = uki::unify(&read(&self.tools.root().join(STUB))?, &sections)?;
        let initrds = format!("/initrd,/{}", credentials::ARCHIVE);
        let menu = format!("DEFAULT db\nLABEL db\n LINUX /linux\n INITRD {initrds}\n APPEND {arguments}\n");
        let files = Esp::new("BOOTSTACK")
            .file("EFI/BOOT/BOOTX64.EFI", Content::Bytes(application))
            .file("linux", Content::Bytes(kernel.to_vec()))
            .file("initrd", Content::Bytes(initrd.to_vec()))
            .file(credentials::ARCHIVE, Content::Bytes(credentials::archive(&[])))
            .file("syslinux.cfg", Content::Bytes(menu.into_bytes()));
        let path = self.scratch.path().join("esp");
        fs::write(&path, files.build()?).with_context(|| format!("cannot write {}", path.display()))?;
        syslinux.install(&path)?;
        Ok(path)
    }
}

fn to_qcow2(raw: &Path, path: &Path) -> Result<()> {
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "qcow2"]).arg(raw).arg(path);
    command::run(&mut convert)
}

/// The time that files carry: `SOURCE_DATE_EPOCH`, else the epoch itself.
fn epoch_s() -> u64 {
    env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Debian's version without its revision: `9.7.4` of `9.7.4-2`.
fn mysql_version(lock: &Lock) -> Result<String> {
    let package = lock.packages.iter().find(|package| package.name == "mysql-server-core");
    let version = &package.context("the lock has no mysql-server-core")?.version;
    Ok(version.split(['-', '+', '~']).next().unwrap_or_default().to_owned())
}

/// Debian's kernel in the unpacked packages, for QEMU to start by itself.
pub(crate) fn unpacked_linux(guest: &Tree, tools: &Tree, scratch: &Path) -> Result<Vec<u8>> {
    let release = only_entry(&guest.root().join("usr/lib/modules"))?;
    linux::uncompressed(&read(&guest.root().join("boot").join(format!("vmlinuz-{release}")))?, tools, scratch)
}

pub(crate) fn only_entry(folder: &Path) -> Result<String> {
    let mut entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let entry = entries.next().with_context(|| format!("{} is empty", folder.display()))??;
    entry.file_name().into_string().ok().with_context(|| format!("{} is no text", entry.path().display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
