//! Hardware virtualisation only where a real boot has worked; software emulation everywhere else.
//!
//! `/dev/kvm` may exist and still offer no AVX or fail on XGETBV (seen on nested hosts), so the device alone proves
//! nothing. It does not know how to boot anything: the caller's probe does. Invariant: KVM is chosen only after a
//! probe boot succeeded under this boot of the host and this QEMU.
use super::process::host_boot;
use super::{Accel, qemu};
use crate::{Layout, layout};
use anyhow::Result;
use std::fs;
use std::path::Path;

/// What was chosen, and why, for the person who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The accelerator to use.
    pub accel: Accel,
    /// One line: `software emulation (TCG): /dev/kvm is missing`.
    pub reason: String,
}

/// Chooses an accelerator; `probe` boots a machine under [`Accel::Kvm`] and fails unless its guest came up. Its
/// verdict is kept for this boot of the host.
///
/// # Errors
/// When the QEMU of this host does not tell its version, or the verdict cannot be kept.
pub fn choose(layout: &Layout, probe: impl FnOnce() -> Result<()>) -> Result<Choice> {
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        return Ok(emulation(&format!("/dev/kvm: {error}")));
    }
    let host = format!("{} {}", host_boot()?, qemu::version()?);
    judge(&layout.cache().join("kvm-probe"), &host, probe)
}

/// The verdict file holds the host's identity on its first line and what failed, if anything, on its second.
fn judge(verdict: &Path, host: &str, probe: impl FnOnce() -> Result<()>) -> Result<Choice> {
    if let Some(failure) = kept(verdict, host) {
        return Ok(choice(&failure));
    }
    let failure = probe().err().map(|error| first_line(&format!("{error:#}"))).unwrap_or_default();
    layout::replace_with(verdict, format!("{host}\n{failure}\n").as_bytes())?;
    Ok(choice(&failure))
}

fn kept(verdict: &Path, host: &str) -> Option<String> {
    let text = fs::read_to_string(verdict).ok()?;
    let (known, failure) = text.split_once('\n')?;
    (known == host).then(|| failure.trim_end().to_owned())
}

fn choice(failure: &str) -> Choice {
    if failure.is_empty() {
        Choice { accel: Accel::Kvm, reason: "hardware virtualisation (KVM): a probe boot worked".to_owned() }
    } else {
        emulation(&format!("the probe boot under KVM failed: {failure}"))
    }
}

fn emulation(why: &str) -> Choice {
    Choice { accel: Accel::Tcg, reason: format!("software emulation (TCG), about ten times slower: {why}") }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{anyhow, bail};

    #[test]
    fn kvm_is_trusted_only_after_a_probe_and_the_probe_runs_once() {
        let folder = tempfile::tempdir().unwrap();
        let verdict = folder.path().join("kvm-probe");
        assert_eq!(judge(&verdict, "boot-1 10.0", || Ok(())).unwrap().accel, Accel::Kvm);
        let again = judge(&verdict, "boot-1 10.0", || bail!("asked twice")).unwrap();
        assert_eq!(again.accel, Accel::Kvm);
    }

    #[test]
    fn another_boot_or_qemu_is_probed_anew() {
        let folder = tempfile::tempdir().unwrap();
        let verdict = folder.path().join("kvm-probe");
        judge(&verdict, "boot-1 10.0", || Ok(())).unwrap();
        let failed = judge(&verdict, "boot-2 10.0", || Err(anyhow!("no AVX\nserial log: …"))).unwrap();
        assert_eq!(failed.accel, Accel::Tcg);
        assert!(failed.reason.ends_with("the probe boot under KVM failed: no AVX"));
        assert_eq!(judge(&verdict, "boot-2 10.0", || Ok(())).unwrap(), failed);
    }
}
