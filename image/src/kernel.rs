//! Builds the Hermit kernel from its port: a static library whose only global symbols are the system calls.
//!
//! The kernel and the application each carry a copy of `core` and `alloc`, built for different targets. The kernel's
//! `memcpy` and its like serve both.
//!
//! Invariant: no symbol of the kernel can be taken for one of the application's, except those in [`KEPT`].

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::link::link;
use crate::port::{self, Port};
use crate::{Layout, Toolchain, command, layout, progress, remap};

/// What the application and the loader may see, besides the `sys_*` calls.
const KEPT: [&str; 7] = ["_start", "__bss_start", "runtime_entry", "mcount", "memcpy", "memmove", "memset"];

/// Put before every other global symbol.
pub(crate) const PREFIX: &str = "hermit.";

const TARGET: &str = "x86_64-unknown-none";

/// Builds the kernel, unless it is built already, and returns the static library.
///
/// # Errors
/// When the port does not apply or the kernel does not compile.
pub fn build(layout: &Layout, toolchain: &Toolchain) -> Result<PathBuf> {
    let step = progress::start("kernel");
    let folder = layout.root().join("image/kernel");
    let source = Port::read(&folder)?.prepare(layout, toolchain)?;
    // Inside the kernel's own folder: cargo names a package outside by its whole path, and the names are in the bytes.
    link_smoltcp(layout, toolchain, &source.join("smoltcp"))?;
    let archive = compile(layout, toolchain, &source)?;
    let library = layout.build("kernel").join("libhermit.a");
    rename(toolchain, &archive, &library)?;
    step.done(progress::size(fs::metadata(&library)?.len()));
    Ok(library)
}

/// Prepares the kernel's smoltcp and makes `at` a link to it.
///
/// # Errors
/// When the port does not apply, or something else is in the link's place.
pub fn link_smoltcp(layout: &Layout, toolchain: &Toolchain, at: &Path) -> Result<()> {
    let port = Port::read(&layout.root().join("image/kernel/smoltcp"))?;
    link(&port.prepare(layout, toolchain)?, at)
}

fn compile(layout: &Layout, toolchain: &Toolchain, source: &Path) -> Result<PathBuf> {
    let target = layout.build("kernel");
    let mut cargo = toolchain.cargo();
    cargo.current_dir(layout.target()).args(["build", "--release", "--locked", "--target", TARGET]);
    cargo.arg("--manifest-path").arg(source.join("Cargo.toml")).arg("--target-dir").arg(&target);
    cargo.arg("-Zbuild-std=core,alloc");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remap::flags(layout, toolchain).join("\u{1f}"));
    cargo.env("HERMIT_LOG_LEVEL_FILTER", log_level()).env("NO_COLOR", "1");
    command::run(&mut cargo)?;
    Ok(target.join(TARGET).join("release/libhermit.a"))
}

/// From which level on the kernel writes to the console. `BOOTSTACK_KERNEL_LOG=info` shows a boot step by step; each
/// line costs time under emulation, and the console belongs to the service.
fn log_level() -> String {
    env::var("BOOTSTACK_KERNEL_LOG").unwrap_or_else(|_| "warn".to_owned())
}

/// Writes `library`: `archive` with its symbols renamed. A library of the same archive is left alone.
fn rename(toolchain: &Toolchain, archive: &Path, library: &Path) -> Result<()> {
    let content = fs::read(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let stamp = library.with_extension("made-of");
    let sum = port::sum(&content);
    if library.exists() && fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == sum) {
        return Ok(());
    }
    let map = library.with_extension("symbols");
    layout::replace_with(&map, symbol_map(&globals(toolchain, archive)?).as_bytes())?;
    layout::replace(library, |temporary| {
        let mut objcopy = Command::new(toolchain.tool("llvm-objcopy"));
        objcopy.arg("--redefine-syms").arg(&map).arg(archive).arg(temporary);
        command::run(&mut objcopy)
    })?;
    layout::replace_with(&stamp, sum.as_bytes())
}

/// Every global symbol that the archive defines.
fn globals(toolchain: &Toolchain, archive: &Path) -> Result<Vec<String>> {
    let mut nm = Command::new(toolchain.tool("llvm-nm"));
    nm.args(["--defined-only", "--extern-only", "--format=just-symbols"]).arg(archive);
    let text = String::from_utf8(command::output(&mut nm)?).context("llvm-nm does not print text")?;
    let member = |line: &&str| !line.is_empty() && !line.ends_with(':');
    let names: Vec<_> = text.lines().filter(member).map(str::to_owned).collect();
    ensure!(names.iter().any(|name| name == "_start"), "{} defines no _start", archive.display());
    Ok(names)
}

/// One line `old new` for each symbol that must not be seen.
fn symbol_map(names: &[String]) -> String {
    let mut hidden: Vec<_> = names.iter().filter(|name| is_hidden(name)).collect();
    hidden.sort_unstable();
    hidden.dedup();
    hidden.iter().map(|name| format!("{name} {PREFIX}{name}\n")).collect()
}

fn is_hidden(name: &str) -> bool {
    !name.starts_with("sys_") && !KEPT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_system_calls_and_the_entry_stay_visible() {
        let names = ["memcmp", "sys_read", "_start", "_RNvCs1_6hermit4init", "memcmp", "runtime_entry"];
        let map = symbol_map(&names.map(str::to_owned));
        assert_eq!(map, "_RNvCs1_6hermit4init hermit._RNvCs1_6hermit4init\nmemcmp hermit.memcmp\n");
    }
}
