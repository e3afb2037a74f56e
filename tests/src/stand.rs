//! Machines for a test: images built once when asked for, secrets made for the occasion, free ports, a folder for every story.
//!
//! It judges nothing. Invariant: every machine started here dies with its handle, nothing outside the stand's own
//! folder is written, and no file that belongs to the user's own stack is touched.

mod db;
mod identity;
mod parts;
pub mod volume;
mod web;
mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::Layout;
use image::machine::{Machine, Network};

use crate::Dice;

pub use db::{Db, READY as DB_READY, REFUSED};
pub use identity::{DB_NAMES, DB_ON_BRIDGE, Identity, pair, random_word};
pub use parts::{Parts, Way};
pub use web::{Plan as WebPlan, Web, is_failure};
pub use writer::Writer;

/// Everything that stories share.
pub struct Stand {
    parts: Parts,
    identity: Identity,
    root: PathBuf,
    story: PathBuf,
    dice: Dice,
    /// Serial logs of the machines that the story has started.
    logs: Vec<PathBuf>,
    /// The db machine that stories hand on to each other.
    db: Option<Db>,
    /// Held while the stand stands: its folder is nobody else's.
    _lock: File,
}

impl Stand {
    /// Makes the stand's folder and secrets.
    ///
    /// # Errors
    /// When they cannot be written, or another run of the same name is under way.
    pub fn new(name: &str) -> Result<Self> {
        let layout = Layout::here()?;
        let root = layout.target().join(name);
        let lock = lock(&root.with_extension("lock"))?;
        let parts = Parts::new(layout)?;
        forget(&root)?;
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        let identity = Identity::new(&root, parts.host())?;
        let dice = Dice::for_story(name);
        Ok(Self { parts, identity, dice, story: root.clone(), root, logs: Vec::new(), db: None, _lock: lock })
    }

    /// Begins a story with a folder of its own.
    pub fn begin(&mut self, story: &str) {
        self.story = self.root.join(story);
        self.dice = Dice::for_story(story);
        self.logs.clear();
    }

    /// Ends a story that went well: what it left is removed, unless the db machine that it handed on lives there.
    ///
    /// # Errors
    /// When its folder cannot be removed.
    pub fn finish(&mut self) -> Result<()> {
        let inhabited = self.db.as_ref().is_some_and(|db| db.lives_in(&self.story));
        if inhabited { Ok(()) } else { forget(&self.story) }
    }

    /// Ends the stand after stories that all went well: nothing is left.
    ///
    /// # Errors
    /// When its folder cannot be removed.
    pub fn dismantle(mut self) -> Result<()> {
        self.db = None;
        forget(&self.root)
    }

    /// Ends a story that failed: its files stay, and the next one gets a db machine of its own. Returns what is needed to
    /// understand `error`: the seed, each machine's command line, the end of each log that the error does not quote.
    #[must_use]
    pub fn post_mortem(&mut self, error: &str) -> String {
        self.db = None;
        let machines: Vec<String> = self.logs.iter().map(|log| last_words(log, error)).collect();
        format!("the same draws again: {}\n{}", self.dice, machines.join("\n"))
    }

    /// The parts that machines are made of.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The site's secrets.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The story's own random draws.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// The story's own folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self) -> Result<&Path> {
        fs::create_dir_all(&self.story).with_context(|| format!("cannot create {}", self.story.display()))?;
        Ok(&self.story)
    }

    /// A folder for the story's next machine.
    fn machine_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder()?.join(format!("{name}-{}", self.logs.len() + 1));
        Ok(folder)
    }

    /// The folder that the next web machine will have, for what must be there before it starts.
    ///
    /// # Errors
    /// When the story's folder cannot be made.
    pub fn next_machine_folder(&self, way: Way) -> Result<PathBuf> {
        self.machine_folder(&format!("web-{}", way.name()))
    }

    fn watch(&mut self, machine: &Machine) {
        self.logs.push(machine.serial_log());
    }

    /// A new volume for the story, with MySQL initialised by the host.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new_volume(&self) -> Result<PathBuf> {
        let path = self.folder()?.join("volume.raw");
        self.parts.make_volume(&path, volume::SIZE_BYTES)?;
        Ok(path)
    }

    /// The db machine of the story before, or a new one with a new volume, accepting logins.
    ///
    /// A story that goes well gives it back with [`Stand::hand_on`].
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn db(&mut self) -> Result<Db> {
        if let Some(db) = self.db.take() {
            return Ok(db);
        }
        let volume = self.new_volume()?;
        let password = random_word()?;
        let mut db = self.start_db(&volume, &password)?;
        db.wait_until_ready()?;
        Ok(db)
    }

    /// The same with its network card connected to this: for a suite all of whose stories ask so.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn db_on(&mut self, network: Network) -> Result<Db> {
        if let Some(db) = self.db.take() {
            return Ok(db);
        }
        let volume = self.new_volume()?;
        let password = random_word()?;
        let mut db = self.start_db_on(network, &volume, &password)?;
        db.wait_until_ready()?;
        Ok(db)
    }

    /// Gives the running db machine to the next story.
    pub fn hand_on(&mut self, db: Db) {
        self.db = Some(db);
    }
}

fn lock(path: &Path) -> Result<File> {
    let folder = path.parent().context("no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.try_lock().with_context(|| format!("{} is held: the same tests run already", path.display()))?;
    Ok(file)
}

fn forget(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// QEMU's command line, where the machine's log is, and how it ends unless `quoted` says that already.
fn last_words(log: &Path, quoted: &str) -> String {
    const LINES: usize = 25;
    let command = fs::read_to_string(log.with_file_name("qemu.log")).unwrap_or_default();
    let command = format!("{}: {}", log.display(), command.trim_end());
    if quoted.contains(&*log.to_string_lossy()) {
        return command;
    }
    let serial = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).replace('\u{1b}', "␛");
    let lines: Vec<&str> = serial.lines().filter(|line| !line.trim().is_empty()).collect();
    format!("{command}\n    {}", lines[lines.len().saturating_sub(LINES)..].join("\n    "))
}
