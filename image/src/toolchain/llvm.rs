//! The linker and the object tools: the toolchain's own when rustup brought them, else the system's LLVM.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The oldest LLVM that builds the guest rightly: 14 was seen to assemble 16-bit code wrongly.
const OLDEST: u32 = 19;

/// Where the LLVM tools lie and what they are called there.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    folder: PathBuf,
    /// In rustup's folder the linker is `rust-lld`.
    lld: &'static str,
}

impl Tools {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(if name == "ld.lld" { self.lld } else { name })
    }

    pub(super) fn describe(&self) -> String {
        format!("LLVM tools in {}", self.folder.display())
    }
}

pub(super) fn find(sysroot: &Path) -> Result<Tools> {
    let own = sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
    if own.join("llvm-objcopy").exists() && own.join("rust-lld").exists() {
        return Ok(Tools { folder: own, lld: "rust-lld" });
    }
    let folder = newest(Path::new("/usr/lib")).context(
        "LLVM tools not found: rustup component add llvm-tools, or apt-get install llvm-19 lld-19",
    )?;
    Ok(Tools { folder, lld: "ld.lld" })
}

/// Debian's `/usr/lib/llvm-<version>/bin` with both the tools and the linker, newest first.
fn newest(library: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(library)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("llvm-")?.parse::<u32>().ok());
    let mut versions: Vec<_> = versions.filter(|version| *version >= OLDEST).collect();
    versions.sort_unstable();
    let folders = versions.iter().rev().map(|version| library.join(format!("llvm-{version}/bin")));
    folders.into_iter().find(|folder| folder.join("llvm-objcopy").exists() && folder.join("ld.lld").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_llvm_with_a_linker_is_taken() {
        let library = tempfile::tempdir().unwrap();
        for (version, tools) in [
            ("14", &["llvm-objcopy", "ld.lld"][..]),
            ("19", &["llvm-objcopy", "ld.lld"]),
            ("20", &["llvm-objcopy"]),
        ] {
            let folder = library.path().join(format!("llvm-{version}/bin"));
            fs::create_dir_all(&folder).unwrap();
            for tool in tools {
                fs::write(folder.join(tool), "").unwrap();
            }
        }
        assert_eq!(newest(library.path()), Some(library.path().join("llvm-19/bin")));
    }
}
