//! The box that a release makes, images to release in it, and the command itself.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use image::{Layout, disk, symbols, toolchain, web};
use sha2::{Digest as _, Sha384};

/// The time to live of records between releases: short, for the tests' sake.
pub(crate) const TTL_S: u32 = 6;
/// And while a record moves.
pub(crate) const LOW_TTL_S: u32 = 2;

/// Names the folder of evidence, images and box.
const FOLDER: &str = "BOOTSTACK_RELEASE";

/// The test's own box.
pub(crate) struct Cloud {
    layout: Layout,
    folder: PathBuf,
    ttl_s: Cell<u32>,
}

/// What `cargo xtask release` said.
pub(crate) struct Said {
    /// Whether its exit status was 0.
    pub(crate) succeeded: bool,
    /// Both streams.
    pub(crate) words: String,
}

impl Said {
    /// Fails unless the command succeeded.
    pub(crate) fn well(self) -> Result<Self> {
        ensure!(self.succeeded, "{}", self.words);
        Ok(self)
    }

    /// Fails unless the command refused with these words.
    pub(crate) fn refused(self, words: &str) -> Result<Self> {
        ensure!(!self.succeeded && self.words.contains(words), "not refused with {words:?}:\n{}", self.words);
        Ok(self)
    }
}

impl Cloud {
    /// A folder without a box yet.
    pub(crate) fn new() -> Result<Self> {
        let layout = Layout::here()?;
        let folder = layout.target().join("test-release");
        let cloud = Self { layout, folder, ttl_s: Cell::new(TTL_S) };
        cloud.xtask(&["release", "down"])?.well()?;
        match fs::remove_dir_all(&cloud.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)?,
            _ => {}
        }
        fs::create_dir_all(&cloud.folder)?;
        Ok(cloud)
    }

    /// Another time to live, from the next release on.
    pub(crate) fn remember_for(&self, ttl_s: u32) {
        self.ttl_s.set(ttl_s);
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops everything and removes the folder.
    pub(crate) fn dismantle(self) -> Result<()> {
        self.xtask(&["release", "down"])?.well()?;
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    fn xtask(&self, words: &[&str]) -> Result<Said> {
        said(self.command(words).output()?)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--package", "xtask", "--"]).args(words);
        command.current_dir(self.layout.root()).env(FOLDER, &self.folder).stdin(Stdio::null());
        command
    }

    /// `cargo xtask release` with this image, by the test's own short times.
    pub(crate) fn release(&self, image: &Path, more: &str) -> Result<Said> {
        let image = image.to_string_lossy();
        let config = self.config(more)?;
        self.xtask(&["release", "--image", &image, "--config", &config.to_string_lossy()])
    }

    /// The same, to be killed under way.
    pub(crate) fn begin(&self, image: &Path) -> Result<std::process::Child> {
        let config = self.config("")?;
        let mut command = self.command(&["release", "--image"]);
        command.arg(image).arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("cannot start cargo")
    }

    /// An act of `release` other than a release.
    pub(crate) fn act(&self, verb: &str) -> Result<Said> {
        let config = self.config("")?;
        self.xtask(&["release", verb, "--config", &config.to_string_lossy()])
    }

    fn config(&self, more: &str) -> Result<PathBuf> {
        let path = self.folder.join("release.toml");
        // A busy host boots slowly; the story of a slow candidate asks for less.
        let ready = if more.contains("ready_s") { "" } else { "ready_s = 300\n" };
        let ttl_s = self.ttl_s.get();
        let text = format!(
            "[machines]\nprovider = \"local\"\nwatch_s = 12\n{ready}{more}\n[records]\nzone = \"foobar.com\"\nttl_s = {ttl_s}\nlow_ttl_s = {LOW_TTL_S}\n\
             settle_s = 20\n"
        );
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// An image that differs from all others in its boot arguments, and in nothing that a visitor sees.
    pub(crate) fn variant(&self, number: u32) -> Result<PathBuf> {
        let path = self.folder.join(format!("variant-{number}.raw"));
        fs::copy(self.layout.images().join("web.raw"), &path).context("no web image: `cargo xtask image`")?;
        web::place_arguments(&path, &format!("env=VARIANT={number} {}", web::ARGUMENTS))?;
        Ok(path)
    }

    /// An image whose application is damaged.
    pub(crate) fn damaged(&self) -> Result<PathBuf> {
        let path = self.variant(900)?;
        disk::write_file(&path, "bootstack/application", b"no application")?;
        Ok(path)
    }

    /// An image that is sound but for its pages, which have lost their forms.
    pub(crate) fn formless(&self) -> Result<PathBuf> {
        let path = self.variant(905)?;
        let mut places = 0;
        web::change_application(&path, |application| places = replace(application, b"<form ", b"<fork "))?;
        ensure!(places > 0, "the application holds no form");
        Ok(path)
    }

    /// An image whose first migration is not the one that the database has run: sqlx knows each by its SHA-384.
    pub(crate) fn migrating_otherwise(&self) -> Result<PathBuf> {
        let path = self.variant(908)?;
        let migration = fs::read(self.layout.root().join("service/db/migrations/0001_posts.sql"))?;
        let sum = Sha384::digest(migration);
        let other = Sha384::digest(sum);
        let mut places = 0;
        web::change_application(&path, |application| places = replace(application, &sum, &other))?;
        ensure!(places > 0, "the application does not hold its first migration's sum");
        Ok(path)
    }

    /// An image that is sound but for its kernel's `close`, which says yes and closes nothing.
    pub(crate) fn leaking(&self) -> Result<PathBuf> {
        /// `xor eax, eax; ret`.
        const YES: [u8; 3] = [0x31, 0xc0, 0xc3];
        let close = symbols::place_of(&self.layout, &toolchain::find(&self.layout)?, "sys_close")?;
        let path = self.variant(907)?;
        let mut changed = Err(anyhow!("no segment of the application holds its `close`"));
        web::change_application(&path, |application| {
            if let Some(code) =
                file_offset(application, close).and_then(|at| application.get_mut(at..)?.first_chunk_mut())
            {
                *code = YES;
                changed = Ok(());
            }
        })?;
        changed.map(|()| path)
    }

    /// Stops a name server of the box in its tracks until what is returned is dropped.
    pub(crate) fn pause(&self, server: &str) -> Result<Paused> {
        let paused = Paused(process(&self.server(server))?);
        paused.signal("STOP")?;
        Ok(paused)
    }

    /// Lets a name server of the box answer, but take no change over until what is returned is dropped.
    pub(crate) fn freeze(&self, server: &str) -> Result<Frozen> {
        let config = self.server(server);
        let program = fs::read_link(format!("/proc/{}/exe", process(&config)?))?.with_file_name("knotc");
        let frozen = Frozen { program, config };
        frozen.tell("zone-freeze")?;
        Ok(frozen)
    }

    /// The configuration of a name server of the box.
    fn server(&self, server: &str) -> PathBuf {
        self.folder.join("cloud").join(server).join("knot.conf")
    }

    /// The folders of the web machines that there are or were, the newest last.
    pub(crate) fn machines(&self) -> Result<Vec<PathBuf>> {
        let folder = self.folder.join("cloud/machines");
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
        let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        found.sort_by_key(|path| {
            fs::metadata(path.join("machine.json")).and_then(|data| data.modified()).ok()
        });
        Ok(found)
    }

    /// A command that runs inside the box.
    pub(crate) fn inside(&self, program: &Path) -> Result<Command> {
        let holder = fs::read_to_string(self.folder.join("cloud/ready")).context("there is no box")?;
        let mut command = Command::new("nsenter");
        command
            .args(["--user", "--net", "--preserve-credentials", "--target", holder.trim(), "--"])
            .arg(program);
        Ok(command)
    }

    /// The same for a program that asks this host's resolver: there, the box's.
    pub(crate) fn inside_resolving(&self, program: &Path) -> Result<Command> {
        let names = self.folder.join("resolv.conf");
        fs::write(&names, "nameserver 10.80.0.1\n")?;
        let mut command = self.inside(Path::new("unshare"))?;
        command.args(["--mount", "sh", "-euc", "mount --bind \"$1\" /etc/resolv.conf; exec \"$2\"", "sh"]);
        command.arg(names).arg(program);
        Ok(command)
    }

    /// The root that visitors trust.
    pub(crate) fn root(&self) -> Result<PathBuf> {
        let ca = fs::read_to_string(self.folder.join("public.json")).context("nothing was released yet")?;
        let endpoint: tests::Endpoint = serde_json::from_str(&ca)?;
        Ok(endpoint.ca)
    }
}

/// A process that is stopped, and goes on when this is dropped.
pub(crate) struct Paused(u32);

impl Paused {
    fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").args(["-s", name, &self.0.to_string()]).status()?;
        ensure!(status.success(), "cannot signal process {}", self.0);
        Ok(())
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = self.signal("CONT");
    }
}

/// A Knot whose zones stand still, and go on when this is dropped.
pub(crate) struct Frozen {
    program: PathBuf,
    config: PathBuf,
}

impl Frozen {
    fn tell(&self, word: &str) -> Result<()> {
        // Unpacked, not installed: its libraries lie beside it.
        let libraries = self.program.with_file_name("../lib/x86_64-linux-gnu");
        let mut control = Command::new(&self.program);
        control.env("LD_LIBRARY_PATH", libraries).args(["--blocking", "--config"]).arg(&self.config);
        let said = said(control.arg(word).output()?)?;
        ensure!(said.succeeded, "knotc {word}: {}", said.words);
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.tell("zone-thaw");
    }
}

/// The process that runs with this configuration.
fn process(config: &Path) -> Result<u32> {
    let words = config.as_os_str().as_encoded_bytes();
    let runs = |line: &[u8]| line.split(|byte| *byte == 0).any(|word| word == words);
    let processes = fs::read_dir("/proc").context("cannot read /proc")?;
    let id = processes.filter_map(|entry| {
        let path = entry.ok()?.path();
        fs::read(path.join("cmdline"))
            .is_ok_and(|line| runs(&line))
            .then(|| path.file_name()?.to_str()?.parse().ok())?
    });
    id.last().with_context(|| format!("nothing runs with {}", config.display()))
}

/// Where an address of a 64-bit ELF file lies in it (System V ABI, program headers).
fn file_offset(elf: &[u8], address: u64) -> Option<usize> {
    let word = |at: usize| Some(u64::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?)));
    let (headers, size, count) = (usize::try_from(word(0x20)?).ok()?, short(0x36)?, short(0x38)?);
    (0..count).map(|number| headers + number * size).find_map(|header| {
        let (offset, start, length) = (word(header + 8)?, word(header + 16)?, word(header + 32)?);
        let distance = address.checked_sub(start).filter(|distance| *distance < length)?;
        usize::try_from(offset + distance).ok()
    })
}

/// All of `old` become `new`, which is as long; says how many there were.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    let places: Vec<usize> =
        (0..bytes.len() - old.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    for at in &places {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    places.len()
}

fn said(output: Output) -> Result<Said> {
    let words =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok(Said { succeeded: output.status.success(), words })
}
