//! A running machine: started, watched, powered down, cut off.
//!
//! It does not know what the guest is. Invariant: every wait has a deadline, and every error quotes the end of the
//! serial log and says where the rest is.
use super::guard::Guard;
use super::process::{Identity, resident_kib};
use super::serial::{Follower, tail};
use super::{Spec, arguments, card, folder, names, qemu, qmp};
use crate::wait::{Status, wait_until};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// QEMU opens its control socket within 0.2 s on a quiet host; ten seconds cover a loaded one.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// The kernel ends a killed process at once; the rest is for a host that swaps.
const KILL_DEADLINE: Duration = Duration::from_secs(20);
/// A machine of 128 MiB is written in a moment; a busy disk may need longer.
const SAVE_DEADLINE: Duration = Duration::from_secs(60);
/// A guest that has not yet taken up its power button misses a press, so it is pressed again.
const POWER_BUTTON_INTERVAL: Duration = Duration::from_secs(5);

/// A machine whose QEMU runs, or ran until a moment ago.
#[derive(Debug)]
pub struct Machine {
    name: String,
    folder: PathBuf,
    process: Identity,
    /// Present in the program that started it.
    child: Option<Child>,
    /// Present while the machine is to die with this handle.
    guard: Option<Guard>,
    powered_on: Instant,
    serial: Follower,
}

/// How a machine's QEMU ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status: 0 after a power-off, [`super::debug_exit_status`] after a guest's own report.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// In another program's hands, which alone was told how.
    Unseen,
}

impl Machine {
    /// Powers a machine on.
    ///
    /// # Errors
    /// When QEMU is missing or too old, a file of the machine is missing, a machine runs in this folder already,
    /// or QEMU refuses to start (its own words are quoted).
    pub fn start(spec: &Spec) -> Result<Self> {
        qemu::version()?;
        if let Some(running) = Self::find(&spec.name, &spec.folder) {
            bail!("the {} machine runs already (process {})", spec.name, running.process.id);
        }
        folder::lay_out(spec)?;
        let powered_on = Instant::now();
        let child = spawn(spec)?;
        let mut machine = Self::adopt(spec, child, powered_on)?;
        let started = machine.wait_for_control();
        folder::clear_secrets(spec)?;
        started.map(|()| machine)
    }

    /// The machine that an earlier program let go in `folder`, if it still runs. The handle does not own it: it
    /// lives on when the handle is dropped.
    #[must_use]
    pub fn find(name: &str, folder: &Path) -> Option<Self> {
        let process = Identity::read(&folder.join(names::PID_FILE)).filter(Identity::is_alive)?;
        Some(Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            process,
            child: None,
            guard: None,
            powered_on: Instant::now(),
            serial: Follower::new(&folder.join(names::SERIAL_LOG)),
        })
    }

    /// Whether a machine was started in `folder` and never stopped by [`Self::power_down`] or [`Self::cut`]:
    /// when [`Self::find`] finds none all the same, it crashed or was killed.
    #[must_use]
    pub fn left_traces(folder: &Path) -> bool {
        folder.join(names::PID_FILE).exists()
    }

    /// Clears what a crashed machine left in `folder`; logs and disks stay.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn clear_traces(folder: &Path) -> Result<()> {
        [names::PID_FILE, names::QMP_SOCKET].iter().try_for_each(|name| folder::remove(&folder.join(name)))
    }

    fn adopt(spec: &Spec, child: Child, powered_on: Instant) -> Result<Self> {
        let mut child = Orphan(Some(child));
        let process = Identity::of(child.id())?;
        process.write(&spec.folder.join(names::PID_FILE))?;
        let guard = Guard::over(&process)?;
        Ok(Self {
            name: spec.name.clone(),
            folder: spec.folder.clone(),
            process,
            child: child.0.take(),
            guard: Some(guard),
            powered_on,
            serial: Follower::new(&spec.folder.join(names::SERIAL_LOG)),
        })
    }

    /// Lets the machine live on after this program; [`Self::find`] finds it again.
    ///
    /// # Errors
    /// When the guard that watches over it has died.
    pub fn detach(mut self) -> Result<()> {
        self.child = None;
        self.guard.take().map_or(Ok(()), Guard::keep)
    }

    /// What the machine is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id of its QEMU.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id
    }

    /// When QEMU was started, or, for a machine that was found, when it was found.
    #[must_use]
    pub fn powered_on(&self) -> Instant {
        self.powered_on
    }

    /// Where the guest's serial output goes.
    #[must_use]
    pub fn serial_log(&self) -> PathBuf {
        self.folder.join(names::SERIAL_LOG)
    }

    /// The last lines of the serial output, free of control characters.
    #[must_use]
    pub fn serial_tail(&self) -> String {
        tail(&self.serial_log())
    }

    /// Host memory that QEMU occupies, guest and all; `None` when it has ended.
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        resident_kib(self.process.id)
    }

    /// How the machine ended; `None` while it runs.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn ended(&mut self) -> Result<Option<Ended>> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait().context("QEMU cannot be awaited")?.map(Ended::from)),
            None => Ok((!self.process.is_alive()).then_some(Ended::Unseen)),
        }
    }

    /// Waits until the guest writes a line that holds `text` to its serial port, and returns that line. Each line is
    /// looked at once: the next wait begins behind it.
    ///
    /// # Errors
    /// When the machine ends first, or the deadline passes.
    pub fn wait_for_line(&mut self, deadline: Duration, text: &str) -> Result<String> {
        let what = format!("the line {text:?} of the {} machine", self.name);
        let mut last = String::new();
        self.wait_for(deadline, &what, |machine| {
            while let Some(line) = machine.next_line()? {
                if line.contains(text) {
                    return Ok(Status::Reached(line));
                }
                last = line;
            }
            let partial = machine.serial.partial();
            Ok(Status::Pending(if partial.is_empty() { last.clone() } else { partial }))
        })
    }

    /// The next whole line that the guest has written to its serial port, once; `None` while there is none.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn next_line(&mut self) -> Result<Option<String>> {
        self.serial.next_line()
    }

    /// Waits for `status` while the machine runs.
    ///
    /// # Errors
    /// When the machine ends first, `status` fails, or the deadline passes; with the end of the serial log.
    pub fn wait_for<T>(
        &mut self,
        deadline: Duration,
        what: &str,
        mut status: impl FnMut(&mut Self) -> Result<Status<T>>,
    ) -> Result<T> {
        let reached = wait_until(deadline, what, || {
            // Looked at first: what a machine wrote before it ended still counts.
            let ended = self.ended()?;
            match (status(self)?, ended) {
                (Status::Pending(_), Some(ended)) => bail!("the {} machine ended ({ended})", self.name),
                (status, _) => Ok(status),
            }
        });
        reached.map_err(|error| self.explained(&error))
    }

    /// Waits until the machine has ended by itself.
    ///
    /// # Errors
    /// When it still runs at the deadline.
    pub fn wait_for_end(&mut self, deadline: Duration) -> Result<Ended> {
        let what = format!("the end of the {} machine", self.name);
        let ended = wait_until(deadline, &what, || {
            Ok(self.ended()?.map_or_else(|| Status::Pending("it runs".to_owned()), Status::Reached))
        });
        ended.map_err(|error| self.explained(&error))
    }

    /// Presses the power button and waits until the guest has shut itself down.
    ///
    /// # Errors
    /// When it still runs at the deadline; it is then left running.
    pub fn power_down(&mut self, deadline: Duration) -> Result<Ended> {
        let what = format!("the power-off of the {} machine", self.name);
        let mut pressed: Option<Instant> = None;
        let ended = wait_until(deadline, &what, || {
            if let Some(ended) = self.ended()? {
                return Ok(Status::Reached(ended));
            }
            if pressed.is_none_or(|at| at.elapsed() >= POWER_BUTTON_INTERVAL) {
                pressed = Some(Instant::now());
                self.press("system_powerdown")?;
            }
            Ok(Status::Pending("its power button was pressed, it runs".to_owned()))
        });
        let ended = ended.map_err(|error| self.explained(&error))?;
        Self::clear_traces(&self.folder).map(|()| ended)
    }

    /// Takes the power away from one moment to the next, as a power cut does.
    ///
    /// # Errors
    /// When the process cannot be killed or does not end.
    pub fn cut(&mut self) -> Result<()> {
        self.process.kill()?;
        self.wait_for_end(KILL_DEADLINE)?;
        Self::clear_traces(&self.folder)
    }

    /// Gives a command of QEMU's control protocol that takes no argument, and returns the answer as JSON text.
    ///
    /// # Errors
    /// When QEMU does not answer, or refuses.
    pub fn control(&self, command: &str) -> Result<String> {
        Ok(qmp::execute(&self.folder, command)?.to_string())
    }

    /// How many instructions the guest has executed, halts not counted; for a machine of [`super::Pace::Counted`].
    ///
    /// # Errors
    /// When QEMU does not answer, or counts nothing.
    pub fn instructions(&self) -> Result<u64> {
        let answer = qmp::execute(&self.folder, "query-replay")?;
        let counted = answer.get("icount").and_then(serde_json::Value::as_u64);
        counted
            .with_context(|| format!("the {} machine does not count its instructions: {answer}", self.name))
    }

    /// Stops the machine for good and writes its state to `file`: another one may go on from there.
    ///
    /// # Errors
    /// When QEMU cannot write it.
    pub fn save(&mut self, file: &Path) -> Result<()> {
        self.control("stop")?;
        let place = format!("file:{}", file.display());
        qmp::execute_with(&self.folder, "migrate", &json!({ "uri": place }))?;
        self.wait_for(SAVE_DEADLINE, "the saved state", |machine| {
            let progress = qmp::execute(&machine.folder, "query-migrate")?;
            match progress["status"].as_str() {
                Some("completed") => Ok(Status::Reached(())),
                Some("failed") => bail!("the state cannot be saved: {progress}"),
                _ => Ok(Status::Pending(progress.to_string())),
            }
        })
    }

    /// Plugs the network's cable in, or pulls it.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn set_link(&mut self, is_up: bool) -> Result<()> {
        qmp::execute_with(&self.folder, "set_link", &json!({ "name": "network", "up": is_up })).map(drop)
    }

    /// Breaks the network card, so that it asks its driver for a reset when the next frame arrives.
    ///
    /// # Errors
    /// When QEMU refuses, or the machine has no such card.
    pub fn break_card(&mut self) -> Result<()> {
        card::break_card(&self.folder)
    }

    /// A machine that ends while it is asked to has done as it was told.
    fn press(&mut self, command: &str) -> Result<()> {
        match self.control(command) {
            Err(_) if self.ended()?.is_some() => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn wait_for_control(&mut self) -> Result<()> {
        let reached = wait_until(START_DEADLINE, "QEMU's control socket", || {
            if let Some(ended) = self.ended()? {
                bail!("QEMU refused to start ({ended})");
            }
            match self.control("query-status") {
                Ok(_) => Ok(Status::Reached(())),
                Err(error) => Ok(Status::Pending(format!("{error:#}"))),
            }
        });
        let log = self.folder.join(names::QEMU_LOG);
        reached.map_err(|error| anyhow!("{error:#}\nthe end of {}:\n{}", log.display(), tail(&log)))
    }

    fn explained(&self, error: &anyhow::Error) -> anyhow::Error {
        let log = self.serial_log();
        anyhow!("{error:#}\nthe end of {}:\n{}", log.display(), self.serial_tail())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if matches!(child.try_wait(), Ok(None)) {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Logs are kept; a pid file that stays behind is harmless, as its process is gone.
        let _ = Self::clear_traces(&self.folder);
    }
}

/// A child that is killed unless it is taken out.
struct Orphan(Option<Child>);

impl Orphan {
    fn id(&mut self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// QEMU runs in a process group of its own, so that Ctrl-C in a terminal reaches the program that owns it and
/// leaves a machine that was let go alone.
fn spawn(spec: &Spec) -> Result<Child> {
    let path = spec.folder.join(names::QEMU_LOG);
    let log = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let line = arguments::arguments(spec);
    writeln_command(&log, &line)?;
    Command::new(qemu::PROGRAM)
        .args(line)
        .current_dir(fs::canonicalize(&spec.folder)?)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", qemu::PROGRAM))
}

fn writeln_command(mut log: &File, line: &[String]) -> Result<()> {
    use std::io::Write;
    writeln!(log, "{} {}", qemu::PROGRAM, line.join(" ")).context("cannot write QEMU's log")
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Status(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unseen,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(code) => write!(formatter, "exit status {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
            Self::Unseen => formatter.write_str("not watched"),
        }
    }
}
