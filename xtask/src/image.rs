//! `cargo xtask image`: builds the bootable images and says what it built.
//!
//! It boots nothing. Invariant: what it prints was read back from the finished files.
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ::image::{Layout, Stack, guest, progress, symbols, toolchain};
use anyhow::{Context, Result};
use clap::Args;
use sha2::{Digest, Sha256};

use crate::build;
use crate::preflight::{self, Purpose};

/// Build the bootable images and print their sizes and sums
#[derive(Debug, Args)]
pub(crate) struct Image {
    /// Only print this console log of a crashed web machine, with names for the places that it gives
    #[arg(long, value_name = "LOG")]
    symbols: Option<PathBuf>,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: build::Packages,
}

impl Image {
    pub(crate) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        if let Some(log) = &self.symbols {
            return print_symbols(&layout, log);
        }
        // Only a start takes its values, but a mistake in the file shall not wait until then.
        Stack::load(&layout)?;
        preflight::check(&layout, &[Purpose::Build], self.preflight)?;
        let built = build::all(&layout, self.packages.policy())?;
        for file in built.files() {
            println!("{}", line(file)?);
        }
        Ok(())
    }
}

/// The application must be the one that crashed: the last that was built.
fn print_symbols(layout: &Layout, log: &Path) -> Result<()> {
    let console = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let console = String::from_utf8_lossy(&console);
    print!("{}", symbols::resolve(layout, &toolchain::find(layout)?, guest::Purpose::Site, &console)?);
    Ok(())
}

/// Size, then sum and path as `sha256sum` prints them.
fn line(file: &Path) -> Result<String> {
    let (sum, bytes) = sum(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(format!("{:>12}  {sum}  {}", progress::size(bytes), file.display()))
}

pub(crate) fn sum(file: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(file)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        bytes += count as u64;
    }
    let sum = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((sum, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        fs::write(&file, "abc").unwrap();
        // FIPS 180-4's example.
        let sum = "3 B  ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  ";
        assert!(line(&file).unwrap().trim_start().starts_with(sum), "{}", line(&file).unwrap());
    }
}
