//! Builds the application: the service for target hermit, linked with the kernel.
//!
//! It is built in a workspace of its own below `target/`: the checkout's crates by symbolic links, the ports patched
//! in, and a lock file that follows the checkout's. The checkout's own manifest and lock file never see a port.
//!
//! Invariant: what the guest runs has the versions of the checkout's `Cargo.lock`, ports included.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::link::link;
use crate::port::{self, Port};
use crate::{Layout, Optimisation, Toolchain, command, layout, progress, remap};

mod lock;
mod workspace;

const TARGET: &str = "x86_64-unknown-hermit";

/// The crate that is edited inlines less than LLVM would (225): measured, a fifth less time from an edit to an image.
const EDITED: &str = "profile.release.package.service.rustflags = [\"-Cllvm-args=-inline-threshold=100\"]";

/// What the application is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The site.
    Site,
    /// `cargo xtask bench net`: the site, and a file of 1 MB to download.
    Bench,
    /// The tests: a program that judges the kernel from inside.
    Inside,
}

impl Purpose {
    /// The part of the build that it is.
    fn part(self) -> &'static str {
        match self {
            Self::Site => "application",
            Self::Bench => "application-bench",
            Self::Inside => "application-inside",
        }
    }

    /// The package, which is also its binary's name.
    fn package(self) -> &'static str {
        match self {
            Self::Site | Self::Bench => "service",
            Self::Inside => "inside",
        }
    }

    /// Where the application lies when it is built.
    fn application(self, layout: &Layout) -> PathBuf {
        layout.build(self.part()).join(self.package())
    }

    /// Where the application with its symbols lies when it is built.
    pub(crate) fn with_symbols(self, layout: &Layout) -> PathBuf {
        self.application(layout).with_extension("debug")
    }
}

/// Builds the application, unless it is built already, and returns the stripped ELF file. The same file with its
/// symbols lies beside it, with `.debug` added to its name.
///
/// # Errors
/// When a port does not apply or the service does not compile for the guest.
pub fn build(
    layout: &Layout,
    toolchain: &Toolchain,
    kernel: &Path,
    purpose: Purpose,
    optimisation: Optimisation,
) -> Result<PathBuf> {
    let step = progress::start(purpose.part());
    let ports = port::all(layout)?;
    for port in &ports {
        step.update(port.title());
        port.prepare(layout, toolchain)?;
    }
    let workspace = workspace::generate(layout, &ports)?;
    step.update("compiling");
    let binary = compile(layout, toolchain, &workspace, kernel, (purpose, optimisation))?;
    check_lock(layout, &workspace)?;
    let application = strip(layout, toolchain, &binary, purpose)?;
    step.done(progress::size(fs::metadata(&application)?.len()));
    Ok(application)
}

fn compile(
    layout: &Layout,
    toolchain: &Toolchain,
    workspace: &Path,
    kernel: &Path,
    (purpose, optimisation): (Purpose, Optimisation),
) -> Result<PathBuf> {
    let target = layout.build("guest");
    let mut cargo = toolchain.cargo();
    cargo.current_dir(workspace).args([
        "rustc",
        "--profile",
        optimisation.profile(),
        "--target",
        TARGET,
        "--package",
        purpose.package(),
    ]);
    cargo.args(["--bin", purpose.package()]).arg("--target-dir").arg(&target);
    if purpose == Purpose::Bench {
        cargo.args(["--features", "service/bench"]);
    }
    if optimisation == Optimisation::Quick {
        cargo.args(["-Zprofile-rustflags", "--config", EDITED]);
    }
    cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=compiler-builtins-mem"]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(layout, toolchain).join("\u{1f}"));
    cargo.env("CARGO_TARGET_X86_64_UNKNOWN_HERMIT_LINKER", toolchain.tool("ld.lld"));
    cargo.arg("--").arg(format!("-Clink-arg={}", linked_kernel(workspace, kernel)?));
    // A program's relocations stay in its memory; packed, they are a hundredth (`image/boot/src/relr.rs`).
    cargo.arg("-Clink-arg=--pack-dyn-relocs=relr");
    command::run(&mut cargo)?;
    Ok(target.join(TARGET).join(optimisation.profile()).join(purpose.package()))
}

fn flags(layout: &Layout, toolchain: &Toolchain) -> Vec<String> {
    let mut flags = remap::flags(layout, toolchain);
    // mio and tokio know epoll and kqueue, which hermit does not have; their ports add what it has instead.
    flags.extend(["--cfg".to_owned(), "mio_unsupported_force_poll_poll".to_owned()]);
    flags
}

/// The kernel under a name that says its content, from the workspace: cargo links anew when the kernel changes, and
/// the command line does not carry the checkout's path.
fn linked_kernel(workspace: &Path, kernel: &Path) -> Result<String> {
    let content = fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let name = format!("hermit-{}.a", &port::sum(&content)[..16]);
    link(kernel, &workspace.join(&name))?;
    Ok(name)
}

fn check_lock(layout: &Layout, workspace: &Path) -> Result<()> {
    let read = |folder: &Path| {
        let path = folder.join("Cargo.lock");
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    lock::check_follows(&read(workspace)?, &read(layout.root())?)
}

/// The binary with its symbols, and without: only the latter goes into an image.
fn strip(layout: &Layout, toolchain: &Toolchain, binary: &Path, purpose: Purpose) -> Result<PathBuf> {
    let application = purpose.application(layout);
    let content = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    layout::replace_with(&purpose.with_symbols(layout), &content)?;
    let stamp = application.with_extension("made-of");
    let sum = port::sum(&content);
    if application.exists() && fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == sum) {
        return Ok(application);
    }
    layout::replace(&application, |temporary| {
        let mut strip = Command::new(toolchain.tool("llvm-objcopy"));
        command::run(strip.arg("--strip-all").arg(binary).arg(temporary))
    })?;
    layout::replace_with(&stamp, sum.as_bytes())?;
    Ok(application)
}

/// The manifest's lines that put the prepared ports in the place of the registry's crates.
fn patches(ports: &[Port]) -> String {
    let lines =
        ports.iter().map(|port| format!("{} = {{ path = \"ports/{}\" }}\n", port.name(), port.title()));
    format!("\n[patch.crates-io]\n{}", lines.collect::<String>())
}
