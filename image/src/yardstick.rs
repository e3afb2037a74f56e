//! The yardstick: a Linux machine with the same service and with nginx, which `cargo xtask bench net` compares with.
//!
//! Kernel, busybox and libraries are the db machine's packages; its own files lie in `image/yardstick`. It is no part
//! of a site. Invariant: it is as quick as we know how to make it: no systemd, logs that go nowhere, one process of each server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::db::{Archive, Modules, Tree, copy_over, erofs, only_entry, uncompressed, unpacked_linux};
use crate::debian::{self, Policy, Use};
use crate::machine::{Accel, Boot, Disk, Module, Network, Pace, Spec, Variation};
use crate::{Layout, Optimisation, command, layout, progress};

/// What its root file system and its card need; disks first, as the root lies on one.
const MODULES: [&str; 3] = ["virtio_blk", "erofs", "virtio_net"];
/// As the db machine's, which explains them. An emulated time stamp counter is good, though Linux would doubt it.
const ARGUMENTS: &str = "console=ttyS0 quiet loglevel=3 panic=5 audit=0 no_timer_check rcupdate.rcu_expedited=1 \
    tsc=reliable";
const ROOT_UUID: &str = "b0075ac4-db00-4000-8000-000000000002";
/// Programs of the packages, besides the libraries they need.
const PROGRAMS: [&str; 2] = ["usr/bin/busybox", "usr/sbin/nginx"];
/// The libraries that nginx is linked with, and its loader.
const LIBRARIES: [&str; 8] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libcrypt.so.1",
    "libcrypto.so.3",
    "libpcre2-8.so.0",
    "libssl.so.3",
    "libz.so.1",
    "libzstd.so.1",
];
const LIBRARY_FOLDER: &str = "usr/lib/x86_64-linux-gnu";

/// What the yardstick boots from.
#[derive(Clone, Debug)]
pub struct Yardstick {
    kernel: PathBuf,
    initrd: PathBuf,
    root: PathBuf,
}

/// Builds the service for Linux and the machine around it.
///
/// # Errors
/// When packages are missing and cannot be fetched, the service does not compile, or the disk is full.
pub fn build(layout: &Layout, policy: Policy, optimisation: Optimisation) -> Result<Yardstick> {
    let service = service(layout, optimisation)?;
    let step = progress::start("yardstick");
    let lock = debian::packages(layout, policy)?;
    let guest = Tree::unpack(layout, &lock, Use::Guest)?;
    let tools = Tree::unpack(layout, &lock, Use::Tool)?.over(&guest);
    let bench = Tree::unpack(layout, &lock, Use::Bench)?;
    let folder = layout.build("yardstick");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let scratch = tempfile::Builder::new().prefix(".partial-").tempdir_in(&folder)?;
    let parts = Parts { layout, guest, tools, bench, scratch: scratch.path() };
    let yardstick = Yardstick {
        kernel: folder.join("linux"),
        initrd: folder.join("initrd"),
        root: folder.join("root.erofs"),
    };
    layout::replace_with(&yardstick.kernel, &unpacked_linux(&parts.guest, &parts.tools, scratch.path())?)?;
    layout::replace_with(&yardstick.initrd, &parts.initrd()?)?;
    parts.root(&service, &yardstick.root)?;
    step.done(progress::size(fs::metadata(&yardstick.root)?.len()));
    Ok(yardstick)
}

/// Builds the service for Linux: the guest's profile and features; linked statically, which is as fast as it gets.
///
/// # Errors
/// When it does not compile.
pub fn service(layout: &Layout, optimisation: Optimisation) -> Result<PathBuf> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let step = progress::start("service for Linux");
    let target = layout.root().join("target");
    let mut cargo = command::cargo(Path::new("cargo"));
    cargo.current_dir(layout.root()).args(["build", "--locked", "--target", TARGET]);
    cargo.args(["--profile", optimisation.profile()]);
    cargo.args(["--package", "service", "--features", "service/bench", "--target-dir"]).arg(&target);
    // It replaces the checkout's own flags, of which service/orderfile.txt needs the names.
    let flags = ["-Csymbol-mangling-version=v0", "-Ctarget-feature=+crt-static"];
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    command::run(&mut cargo)?;
    let service = target.join(TARGET).join(optimisation.profile()).join("service");
    step.done(progress::size(fs::metadata(&service)?.len()));
    Ok(service)
}

struct Parts<'a> {
    layout: &'a Layout,
    guest: Tree,
    tools: Tree,
    bench: Tree,
    scratch: &'a Path,
}

impl Parts<'_> {
    fn initrd(&self) -> Result<Vec<u8>> {
        let release = only_entry(&self.guest.root().join("usr/lib/modules"))?;
        let modules = Modules::read(&self.guest, &release, self.scratch)?;
        let mut archive = Archive::default();
        ["bin", "dev", "modules", "proc", "root"].iter().for_each(|folder| archive.folder(folder));
        archive.device("dev/console", 5, 1);
        archive.program("bin/busybox", &read(&self.guest.root().join("usr/bin/busybox"))?);
        archive.program("init", &read(&self.layout.root().join("image/yardstick/init"))?);
        let mut order = String::new();
        for path in modules.closure(&MODULES.map(str::to_owned))? {
            let name = uncompressed(&path).rsplit('/').next().unwrap_or_default().to_owned();
            archive.file(&format!("modules/{name}"), &modules.content(&self.tools, &path)?);
            order.push_str(&name);
            order.push('\n');
        }
        archive.file("modules/order", order.as_bytes());
        Ok(archive.finish())
    }

    fn root(&self, service: &Path, erofs_path: &Path) -> Result<()> {
        let folder = self.scratch.join("root");
        copy_over(&self.layout.root().join("image/yardstick/root"), &folder)?;
        for path in PROGRAMS {
            self.take(path, &folder)?;
        }
        for library in LIBRARIES {
            self.take(&format!("{LIBRARY_FOLDER}/{library}"), &folder)?;
        }
        place(service, &folder.join("usr/bin/service"))?;
        symlink("busybox", folder.join("usr/bin/sh"))?;
        for (name, to) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", LIBRARY_FOLDER)] {
            symlink(to, folder.join(name))?;
        }
        for mount_point in ["dev", "proc", "run", "sys", "tmp", "var/lib/nginx", "var/log/nginx"] {
            fs::create_dir_all(folder.join(mount_point))?;
        }
        self.files(&folder.join("usr/share/site"))?;
        layout::replace(erofs_path, |path| erofs(&self.tools, &folder, path, ROOT_UUID, 0))
    }

    /// The service's files, for nginx: the same bytes.
    fn files(&self, folder: &Path) -> Result<()> {
        let robots = self.layout.root().join("service/assets/robots.txt");
        place(&robots, &folder.join("robots.txt"))?;
        fs::write(folder.join("megabyte.bin"), vec![b'm'; 1_000_000]).context("cannot write megabyte.bin")
    }

    /// A file of the packages, whichever has it; links are followed.
    fn take(&self, path: &str, folder: &Path) -> Result<()> {
        let found = [&self.bench, &self.guest].map(|tree| tree.root().join(path));
        let from =
            found.iter().find(|from| from.exists()).with_context(|| format!("no package has {path}"))?;
        place(from, &folder.join(path))
    }
}

fn place(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().context("a file has no folder")?;
    fs::create_dir_all(parent)?;
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

impl Yardstick {
    /// The machine in `folder`: one processor, under software emulation unless the caller changes it. `settings` is a
    /// tar archive of the servers' configuration, padded to whole sectors.
    #[must_use]
    pub fn machine(&self, folder: &Path, memory_mib: u32, settings: &Path, network: Network) -> Spec {
        Spec {
            name: "yardstick".to_owned(),
            folder: folder.to_owned(),
            memory_mib,
            cpus: 1,
            accel: Accel::Tcg,
            lacks: Vec::new(),
            boot: Boot::Direct {
                kernel: self.kernel.clone(),
                arguments: ARGUMENTS.to_owned(),
                modules: vec![Module::file(&self.initrd, "")],
            },
            disks: vec![Disk::read_only(&self.root, "root"), Disk::read_only(settings, "settings")],
            network,
            pace: Pace::Free,
            credentials: Vec::new(),
            variation: Variation::default(),
        }
    }
}
