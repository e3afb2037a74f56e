//! The kernel's modules: the ones that are wanted and those they need, uncompressed.
//!
//! Uncompressed, since the root file system compresses anyway and a guest under emulation is slow at it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::tree::Tree;
use crate::command;

/// The modules of one kernel.
pub(crate) struct Modules {
    folder: PathBuf,
    /// Path of each module below the folder, with the paths of those it needs, nearest first.
    needs: BTreeMap<String, Vec<String>>,
}

impl Modules {
    /// Reads the modules of the kernel `release` in the unpacked packages.
    pub(crate) fn read(guest: &Tree, release: &str, scratch: &Path) -> Result<Self> {
        let mut depmod = guest.program("usr/sbin/depmod");
        depmod.arg("--basedir").arg(guest.root()).arg("--outdir").arg(scratch).arg(release);
        depmod.arg("--moduledir").arg("/usr/lib/modules");
        command::run(&mut depmod)?;
        let folder = guest.root().join("usr/lib/modules").join(release);
        let list = scratch.join("usr/lib/modules").join(release).join("modules.dep");
        let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
        Ok(Self { folder, needs: parse(&text) })
    }

    /// The paths of `names` and of what they need, in an order in which they can be loaded.
    pub(crate) fn closure(&self, names: &[String]) -> Result<Vec<String>> {
        let mut ordered: Vec<String> = Vec::new();
        for name in names {
            let path = self.find(name)?;
            let needed = self.needs[path].iter().rev().map(String::as_str);
            for path in needed.chain([path]) {
                if !ordered.iter().any(|present| present == path) {
                    ordered.push(path.to_owned());
                }
            }
        }
        Ok(ordered)
    }

    fn find(&self, name: &str) -> Result<&str> {
        let is = |path: &&String| {
            let file = path.rsplit('/').next().unwrap_or_default();
            file.split('.').next().is_some_and(|stem| stem.replace('-', "_") == name)
        };
        let path = self.needs.keys().find(is);
        path.map(String::as_str)
            .with_context(|| format!("the kernel has no module {name}: see image/linux/contents.toml"))
    }

    /// The bytes of the module at `path`, uncompressed.
    pub(crate) fn content(&self, tools: &Tree, path: &str) -> Result<Vec<u8>> {
        let file = self.folder.join(path);
        if !path.ends_with(".xz") {
            return fs::read(&file).with_context(|| format!("cannot read {}", file.display()));
        }
        let mut xz: Command = tools.program("usr/bin/xz");
        command::output(xz.arg("--decompress").arg("--stdout").arg(&file))
    }

    /// Puts `paths` below the root file system `to`, with the indices that modprobe reads.
    pub(crate) fn install(
        &self,
        paths: &[String],
        guest: &Tree,
        tools: &Tree,
        to: &Path,
        release: &str,
    ) -> Result<()> {
        let folder = to.join("usr/lib/modules").join(release);
        for path in paths {
            let file = folder.join(uncompressed(path));
            fs::create_dir_all(file.parent().context("a module has no folder")?)?;
            fs::write(&file, self.content(tools, path)?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        for index in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
            fs::copy(self.folder.join(index), folder.join(index))
                .with_context(|| format!("cannot copy {index}"))?;
        }
        let mut depmod = guest.program("usr/sbin/depmod");
        depmod.arg("--basedir").arg(to).arg("--moduledir").arg("/usr/lib/modules").arg(release);
        command::run(&mut depmod)
    }
}

/// The name of a module without its compression.
pub(crate) fn uncompressed(path: &str) -> &str {
    path.strip_suffix(".xz").unwrap_or(path)
}

/// `kernel/fs/a.ko.xz: kernel/lib/b.ko.xz kernel/lib/c.ko.xz` (modules.dep(5)).
fn parse(text: &str) -> BTreeMap<String, Vec<String>> {
    let line = |line: &str| {
        let (path, needed) = line.split_once(':')?;
        Some((path.to_owned(), needed.split_whitespace().map(str::to_owned).collect()))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_needs_is_loaded_before_it() {
        let text = "k/virtio_net.ko.xz: k/net_failover.ko.xz k/failover.ko.xz\nk/net_failover.ko.xz: k/failover.ko.xz\n\
                    k/failover.ko.xz:\nk/sd-mod.ko:\n";
        let modules = Modules { folder: PathBuf::new(), needs: parse(text) };
        let order = modules.closure(&["virtio_net".to_owned(), "sd_mod".to_owned()]).unwrap();
        assert_eq!(order, ["k/failover.ko.xz", "k/net_failover.ko.xz", "k/virtio_net.ko.xz", "k/sd-mod.ko"]);
        assert!(modules.closure(&["nvme".to_owned()]).unwrap_err().to_string().contains("no module nvme"));
    }
}
