//! Linux as Debian ships it, and without its own decompressor.
//!
//! QEMU starts an uncompressed kernel by its PVH entry, which saves an emulated guest the time to unpack itself (1.7 s of
//! its CPU, measured). Firmware on a disk needs the compressed form.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::tree::Tree;
use crate::command;

/// Offsets in the setup header (Documentation/arch/x86/boot.rst, protocol 2.08).
const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// The payload ends with its uncompressed size.
const SIZE_BYTES: usize = 4;

/// The ELF file in the bzImage `kernel`, whose payload must be compressed by zstd, as Debian's is.
pub(super) fn uncompressed(kernel: &[u8], tools: &Tree, scratch: &Path) -> Result<Vec<u8>> {
    let packed = scratch.join("linux.zst");
    fs::write(&packed, payload(kernel)?).with_context(|| format!("cannot write {}", packed.display()))?;
    let mut zstd = tools.program("usr/bin/zstd");
    let elf = command::output(zstd.arg("--decompress").arg("--stdout").arg(&packed))?;
    ensure!(elf.starts_with(b"\x7fELF"), "the kernel's payload is no ELF file");
    Ok(elf)
}

fn payload(kernel: &[u8]) -> Result<&[u8]> {
    ensure!(kernel.get(MAGIC..MAGIC + 4) == Some(b"HdrS"), "the kernel is no bzImage");
    let setup = match kernel[SETUP_SECTORS] {
        0 => 4, // For very old kernels, says the protocol.
        sectors => usize::from(sectors),
    };
    let start = (setup + 1) * 512 + word(kernel, PAYLOAD_OFFSET)?;
    let end = start + word(kernel, PAYLOAD_LENGTH)?.saturating_sub(SIZE_BYTES);
    kernel.get(start..end).context("the kernel is shorter than its header says")
}

fn word(bytes: &[u8], at: usize) -> Result<usize> {
    let word = bytes.get(at..at + 4).context("the kernel has no setup header")?;
    Ok(u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(length: u32) -> Vec<u8> {
        let mut kernel = vec![0; 3 * 512];
        kernel[SETUP_SECTORS] = 1;
        kernel[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        kernel[PAYLOAD_OFFSET] = 16;
        kernel[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        kernel[1040..1047].copy_from_slice(b"payload");
        kernel
    }

    #[test]
    fn the_payload_lies_behind_the_setup_sectors() {
        assert_eq!(payload(&kernel(11)).unwrap(), b"payload");
    }

    #[test]
    fn a_damaged_header_is_an_error() {
        assert!(
            payload(&kernel(u32::MAX)).is_err() && payload(b"no kernel").is_err() && payload(&[]).is_err()
        );
    }
}
