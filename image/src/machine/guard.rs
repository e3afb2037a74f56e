//! Ends a machine when the program that owns it dies without a chance to clean up (SIGKILL, a crash).
//!
//! A shell waits at the far end of a pipe that only the owner holds open: the kernel closes it whatever the owner
//! dies of. The guard does not end a machine that was let go on purpose. Invariant: it kills only the process whose
//! start time it was told.
use super::process::Identity;
use anyhow::{Context, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// `$1` is the process id, `$2` its start time; field 22 is where QEMU's `stat` has it, as its name holds no space.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r verdict
[ "$verdict" = keep ] && exit 0
started=$(cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null)
[ "$started" = "$2" ] && kill -KILL "$1"
"#;

/// A running guard; its machine dies at the latest when this value does.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// Starts to watch over `machine` on behalf of this process.
    pub(super) fn over(machine: &Identity) -> Result<Self> {
        let child = Command::new("sh")
            .args([
                "-c",
                SCRIPT,
                "bootstack-guard",
                &machine.id.to_string(),
                &machine.start_ticks.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        Ok(Self(child))
    }

    /// Lets the machine live on after this process.
    pub(super) fn keep(mut self) -> Result<()> {
        let mut pipe = self.0.stdin.take().context("the guard was released twice")?;
        pipe.write_all(b"keep\n").context("the guard has died")?;
        drop(pipe);
        self.0.wait().context("the guard cannot be awaited")?;
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself now that its pipe is closed; an error here means that it has ended.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded() -> (Child, Guard) {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let guard = Guard::over(&Identity::of(child.id()).unwrap()).unwrap();
        (child, guard)
    }

    #[test]
    fn the_machine_dies_with_its_guard() {
        let (mut child, guard) = guarded();
        drop(guard);
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_kept_machine_lives_on() {
        let (mut child, guard) = guarded();
        guard.keep().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
