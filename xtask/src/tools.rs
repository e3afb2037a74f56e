//! Programs that stand in for the world outside: name servers, a DHCP server, what leads an address to a machine, a stranger
//! who looks for faults in TLS.
//!
//! Their Debian packages would start them as services of the host. So they are fetched and unpacked below the user's
//! cache instead, and run from there by whoever asks. Invariant: nothing is installed, and no service is started.
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use ::image::{Layout, command, layout, progress};
use anyhow::{Context, Result, ensure};

/// What brings the programs: Knot and BIND; for the machines of the local provider DHCP, and addresses that move; a
/// judge of TLS.
const PACKAGES: [&str; 5] = ["knot", "bind9", "dnsmasq-base", "nftables", "testssl.sh"];
/// Where programs lie that only root finds on PATH.
const FOLDERS: [&str; 2] = ["usr/sbin", "usr/bin"];
/// Debian's folder for shared libraries on the only architecture that this runs on.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// The unpacked programs.
pub(crate) struct Tools {
    tree: PathBuf,
}

impl Tools {
    /// Fetches and unpacks what is not there yet.
    pub(crate) fn open(layout: &Layout) -> Result<Self> {
        let tree = layout.cache().join("tools").join(release());
        let stamp = tree.join("complete");
        let wanted = PACKAGES.join(" ");
        fs::create_dir_all(&tree).with_context(|| format!("cannot create {}", tree.display()))?;
        // Held to the end: of two at once, one unpacks and the other finds it done.
        let lock =
            File::create(tree.join("lock")).with_context(|| format!("cannot write in {}", tree.display()))?;
        lock.lock().with_context(|| format!("cannot lock {}", tree.display()))?;
        if fs::read_to_string(&stamp).is_ok_and(|known| known == wanted) {
            return Ok(Self { tree });
        }
        let step = progress::start("programs of the world outside");
        unpack(&tree).context(
            "cannot fetch Debian's knot, bind9, dnsmasq-base, nftables and testssl.sh (after `apt-get update`?)",
        )?;
        layout::replace_with(&stamp, wanted.as_bytes())?;
        step.done("unpacked, not installed");
        Ok(Self { tree })
    }

    /// A command that runs the program `name`.
    pub(crate) fn command(&self, name: &str) -> Result<Command> {
        let program =
            FOLDERS.iter().map(|folder| self.tree.join(folder).join(name)).find(|path| path.exists());
        let program = program.with_context(|| format!("{name} is not below {}", self.tree.display()))?;
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.tree.join(LIBRARIES));
        Ok(command)
    }
}

/// Libraries are chosen for one release of the host: another release gets a tree of its own.
fn release() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    format!("{}-{}", value("ID"), value("VERSION_ID"))
}

fn unpack(tree: &Path) -> Result<()> {
    let debs = tree.join("debs");
    fs::create_dir_all(&debs).with_context(|| format!("cannot create {}", debs.display()))?;
    let mut fetch = Command::new("apt-get");
    command::run(fetch.arg("download").args(missing()?).current_dir(&debs))?;
    for deb in fs::read_dir(&debs)? {
        let deb = deb?.path();
        if deb.extension() == Some(OsStr::new("deb")) {
            command::run(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(tree))?;
        }
    }
    fs::remove_dir_all(&debs).with_context(|| format!("cannot remove {}", debs.display()))
}

/// The packages and what they need beyond what the host has, as apt would install them: `Inst NAME (…)`.
fn missing() -> Result<Vec<String>> {
    let mut simulate = Command::new("apt-get");
    simulate.args(["install", "--simulate", "--no-install-recommends"]).args(PACKAGES);
    let plan = String::from_utf8_lossy(&command::output(&mut simulate)?).into_owned();
    let mut names: Vec<String> = plan
        .lines()
        .filter_map(|line| Some(line.strip_prefix("Inst ")?.split(' ').next()?.to_owned()))
        .collect();
    // What the host has installed is fetched all the same: the tree is one whole.
    names.extend(
        PACKAGES.map(str::to_owned).into_iter().filter(|name| !plan.contains(&format!("Inst {name} "))),
    );
    ensure!(!names.is_empty(), "apt knows none of {}", PACKAGES.join(", "));
    Ok(names)
}
