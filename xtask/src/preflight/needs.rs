//! The table of what the host must have: what for, how its presence is told, which package brings it.
//!
//! Invariant: presence is told by trying the thing itself, never by asking a package database.
use std::path::Path;
use std::process::{Command, Stdio};

use ::image::{Layout, machine, toolchain};
use anyhow::{Context, Result, ensure};

/// What the host is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building images, and the db machine's tree for MySQL on the host.
    Build,
    /// Booting machines.
    Boot,
    /// Judging the source: format, lints, fast tests.
    Judge,
    /// Putting load on machines.
    Load,
    /// Connecting machines to networks of their own.
    Wire,
    /// Measuring the site beside PHP.
    Php,
    /// Visiting the site with a real browser and a real program.
    Browse,
    /// Measuring beside other programs.
    Compare,
    /// Watching a program run.
    Trace,
}

/// One thing that the host must have.
pub(super) struct Need {
    /// What it is called.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) why: &'static str,
    /// What takes it.
    pub(super) purpose: Purpose,
    /// Debian's packages that bring it.
    pub(super) debian: &'static [&'static str],
    /// Where Debian has it.
    pub(super) archive: Archive,
    /// How rustup brings it, if it does.
    pub(super) rustup: &'static [&'static str],
    /// Fails, with what was found instead, unless it is there.
    probe: fn(&Layout) -> Result<()>,
}

/// Which of Debian's archives has a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Archive {
    /// The release itself.
    Release,
    /// Backports where the release's own version is too old (Debian 12), else the release.
    Backports,
}

/// Everything, in the order in which a person would read it.
pub(super) const NEEDS: &[Need] = &[
    Need {
        name: "guest toolchain",
        why: "compiles kernel and service for target hermit: a rustc with its own std source, LLVM 19's tools",
        purpose: Purpose::Build,
        debian: &["rustc-web", "cargo-web", "rust-web-src", "llvm-19", "lld-19"],
        archive: Archive::Release,
        rustup: &["rust-src", "llvm-tools"],
        probe: |layout| toolchain::find(layout).map(drop),
    },
    Need {
        name: "syslinux",
        why: "starts the image on hosts with a BIOS",
        purpose: Purpose::Build,
        debian: &["syslinux", "syslinux-common", "mtools"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| {
            ::image::disk::Syslinux::find()?;
            runs("syslinux", "--version").and_then(|()| runs("mcopy", "--version"))
        },
    },
    Need {
        name: "qemu-img",
        why: "writes the images as qcow2",
        purpose: Purpose::Build,
        debian: &["qemu-utils"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| runs("qemu-img", "--version"),
    },
    Need {
        name: "apt and dpkg-deb",
        why: "resolve and unpack the packages of the db machine (nothing is installed by them)",
        purpose: Purpose::Build,
        debian: &["apt", "dpkg"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| runs("apt-get", "--version").and_then(|()| runs("dpkg-deb", "--version")),
    },
    Need {
        name: "Debian's archive keys",
        why: "verify the packages of the db machine",
        purpose: Purpose::Build,
        debian: &["debian-archive-keyring"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| {
            one_of(&[
                "/usr/share/keyrings/debian-archive-keyring.gpg",
                "/usr/share/keyrings/debian-archive-keyring.pgp",
            ])
        },
    },
    Need {
        name: "QEMU 10 or newer",
        why: "runs the machines; 7.2 crashes the db machine's kernel",
        purpose: Purpose::Boot,
        debian: &["qemu-system-x86"],
        archive: Archive::Backports,
        rustup: &[],
        probe: |_| machine::qemu::version().map(drop),
    },
    Need {
        name: "UEFI firmware",
        why: "boots the disks by UEFI",
        purpose: Purpose::Boot,
        debian: &["ovmf"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| machine::find_firmware().map(drop),
    },
    Need {
        name: "wrk and h2load",
        why: "ask for pages: as fast as they are answered, and at a given rate",
        purpose: Purpose::Load,
        debian: &["wrk", "nghttp2-client"],
        archive: Archive::Release,
        rustup: &[],
        // wrk shows its version with a failure.
        probe: |_| one_of(&["/usr/bin/wrk", "/usr/local/bin/wrk"]).and_then(|()| runs("h2load", "--version")),
    },
    Need {
        name: "ip and unshare",
        why: "connect machines to a network namespace that nobody else sees",
        purpose: Purpose::Wire,
        debian: &["iproute2", "util-linux"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| runs("ip", "-Version").and_then(|()| runs("unshare", "--version")),
    },
    Need {
        name: "mke2fs",
        why: "makes the foreign volumes that the db machine must refuse",
        purpose: Purpose::Judge,
        debian: &["e2fsprogs"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| one_of(&["/sbin/mke2fs", "/usr/sbin/mke2fs"]),
    },
    Need {
        name: "nginx",
        why: "is measured beside the service",
        purpose: Purpose::Compare,
        debian: &["nginx-light"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| one_of(&["/usr/sbin/nginx"]),
    },
    Need {
        name: "QEMU's user emulation",
        why: "tells which functions of a program run",
        purpose: Purpose::Trace,
        debian: &["qemu-user"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| runs("qemu-x86_64", "-version"),
    },
    Need {
        name: "rustfmt and clippy",
        why: "judge the source",
        purpose: Purpose::Judge,
        debian: &["rustfmt", "rust-clippy"],
        archive: Archive::Release,
        rustup: &["rustfmt", "clippy"],
        probe: |_| runs("cargo-fmt", "--version").and_then(|()| runs("cargo-clippy", "--version")),
    },
    Need {
        name: "Chromium with its driver",
        why: "visits the site as people do",
        purpose: Purpose::Browse,
        debian: &["chromium", "chromium-driver"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| runs("chromedriver", "--version").and_then(|()| runs("chromium", "--version")),
    },
    Need {
        name: "PHP-FPM with opcache and MySQL's driver",
        why: "makes the same pages behind nginx",
        purpose: Purpose::Php,
        debian: &["php-fpm", "php-mysql"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| crate::bench::php().map(drop),
    },
    Need {
        name: "npm",
        why: "fetches axe, which judges pages for people with a keyboard or a screen reader",
        purpose: Purpose::Browse,
        debian: &["npm"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| runs("npm", "--version"),
    },
    Need {
        name: "Python with venv",
        why: "runs schemathesis, which asks for everything that the site describes to programs",
        purpose: Purpose::Browse,
        debian: &["python3-venv"],
        archive: Archive::Release,
        rustup: &[],
        probe: |_| runs("python3", "--version").and_then(|()| python_has("ensurepip")),
    },
];

/// What `purposes` take and the host lacks, each with what was found instead.
pub(super) fn missing(layout: &Layout, purposes: &[Purpose]) -> Vec<(&'static Need, String)> {
    let wanted = NEEDS.iter().filter(|need| purposes.contains(&need.purpose));
    wanted.filter_map(|need| Some((need, first_line(&(need.probe)(layout).err()?)))).collect()
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

fn runs(program: &str, argument: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().with_context(|| format!("{program} cannot be run"))?;
    ensure!(status.success(), "{program} {argument} failed: {status}");
    Ok(())
}

fn python_has(module: &str) -> Result<()> {
    let mut python = Command::new("python3");
    let status = python.args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "python3 has no module {module}");
    Ok(())
}

fn one_of(files: &[&str]) -> Result<()> {
    let present = files.iter().any(|file| Path::new(file).exists());
    ensure!(present, "{} not found", files.join(" or "));
    Ok(())
}
