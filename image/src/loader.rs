//! Builds both forms of the loader and seals them, so that a damaged loader finds itself damaged.
//!
//! Invariant: the same sources and the same compiler give the same bytes, wherever the checkout lies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{Layout, Toolchain, command, layout, progress, remap};

/// The loader's two forms.
#[derive(Clone, Debug)]
pub struct Loader {
    /// The UEFI application, `BOOTX64.EFI`.
    pub efi: PathBuf,
    /// The multiboot kernel, for QEMU's `-kernel` and for syslinux's `mboot.c32`.
    pub multiboot: PathBuf,
}

/// How one form is built.
struct Form {
    binary: &'static str,
    target: &'static str,
    output: &'static str,
    linker: &'static str,
    /// For every crate.
    flags: &'static [&'static str],
    /// For the binary alone.
    last: &'static [&'static str],
}

/// A COFF linker puts the time of day into its output unless it is told not to, and the sum of a file of debugging
/// information, which names folders of the host.
const EFI: Form = Form {
    binary: "efi",
    target: "x86_64-unknown-uefi",
    output: "efi.efi",
    linker: "lld-link",
    flags: &["-Clink-arg=/Brepro"],
    last: &["-Clink-arg=/DEBUG:NONE"],
};

/// A flat file: the multiboot header says where its bytes go. The linker script's path is relative to `image/boot`.
const MULTIBOOT: Form = Form {
    binary: "multiboot",
    target: "x86_64-unknown-none",
    output: "multiboot",
    linker: "ld.lld",
    flags: &[
        "-Crelocation-model=static",
        "-Clink-arg=-Tmultiboot.ld",
        "-Clink-arg=--oformat=binary",
        "-Clink-arg=--build-id=none",
    ],
    last: &[],
};

/// Where the multiboot form keeps the sum of the bytes before it: its last 16 bytes.
const SUM_BYTES: usize = 16;

/// Builds both forms, unless they are built already.
///
/// # Errors
/// When one does not compile.
pub fn build(layout: &Layout, toolchain: &Toolchain) -> Result<Loader> {
    let step = progress::start("loader");
    let folder = layout.build("loader");
    let loader = Loader { efi: folder.join("BOOTX64.EFI"), multiboot: folder.join("loader") };
    step.update("UEFI");
    let mut efi = compile(layout, toolchain, &EFI)?;
    efi.extend(seal::trailer(&efi));
    layout::replace_with(&loader.efi, &efi)?;
    step.update("multiboot");
    layout::replace_with(&loader.multiboot, &summed(compile(layout, toolchain, &MULTIBOOT)?)?)?;
    step.done(progress::size(efi.len() as u64));
    Ok(loader)
}

fn compile(layout: &Layout, toolchain: &Toolchain, form: &Form) -> Result<Vec<u8>> {
    let target = layout.build("loader");
    let mut flags = remap::flags(layout, toolchain);
    flags.extend(form.flags.iter().map(|flag| (*flag).to_owned()));
    let mut cargo = toolchain.cargo();
    cargo.current_dir(layout.root().join("image/boot")).args(["rustc", "--release", "--locked"]);
    cargo.args(["--bin", form.binary, "--features", form.binary, "--target", form.target]);
    cargo.arg("--target-dir").arg(&target);
    cargo.args(["-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let variable = form.target.to_uppercase().replace('-', "_");
    cargo.env(format!("CARGO_TARGET_{variable}_LINKER"), linker(toolchain, form.linker));
    cargo.arg("--").args(form.last);
    command::run(&mut cargo)?;
    let output = target.join(form.target).join("release").join(form.output);
    fs::read(&output).with_context(|| format!("cannot read {}", output.display()))
}

/// LLVM's linker by the name of the format; rustup's has one name, and rustc tells it the format.
fn linker(toolchain: &Toolchain, name: &str) -> PathBuf {
    let elf = toolchain.tool("ld.lld");
    if elf.file_name() == Some(Path::new("rust-lld").as_os_str()) { elf } else { toolchain.tool(name) }
}

/// The multiboot form with its sum in the place that its linker script keeps for it.
fn summed(mut file: Vec<u8>) -> Result<Vec<u8>> {
    let (content, place) = file.split_last_chunk_mut::<SUM_BYTES>().context("the loader is empty")?;
    ensure!(*place == [0; SUM_BYTES], "the loader does not end with the place for its sum: see multiboot.ld");
    *place = seal::sum(content).to_le_bytes();
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_goes_where_the_linker_script_keeps_room() {
        let file = summed([&[7; 100][..], &[0; 16]].concat()).unwrap();
        assert_eq!(file[100..], seal::sum(&[7; 100]).to_le_bytes());
        assert!(summed(vec![7; 100]).unwrap_err().to_string().contains("multiboot.ld"));
    }
}
