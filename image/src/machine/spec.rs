//! What a machine consists of, before anything is started: pure data, so that the argument builder can be judged
//! by snapshots.
//!
//! It does not know how QEMU spells any of it. Invariant: a `Spec` names host files by their real paths; the names
//! that QEMU sees are made when the machine's folder is laid out.
use std::fmt;
use std::path::{Path, PathBuf};

/// A machine to be started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What the machine is called in messages, and its folder's name (`web`, `db`).
    pub name: String,
    /// The machine's own folder: serial log, sockets, pid file, links to its files. One running machine per folder.
    pub folder: PathBuf,
    /// Guest memory.
    pub memory_mib: u32,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Who executes the guest's instructions.
    pub accel: Accel,
    /// Features that the processor is to lack, as QEMU names them (`rdseed`).
    pub lacks: Vec<String>,
    /// Where the first instruction comes from.
    pub boot: Boot,
    /// Further disks, in the order in which the guest sees them.
    pub disks: Vec<Disk>,
    /// What the guest's network card is connected to.
    pub network: Network,
    /// How fast the guest's instructions are executed.
    pub pace: Pace,
    /// Secrets handed over by SMBIOS, one string each; they exist as files only until the machine has booted.
    pub credentials: Vec<Credential>,
    /// What is unusual about it.
    pub variation: Variation,
}

/// What a test changes about a machine. The default changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Variation {
    /// After a crash it starts again, as in a cloud, where otherwise QEMU would end.
    pub restarts: bool,
    /// Further properties of the network card, as `name=value`.
    pub card: Vec<String>,
    /// Further devices, as QEMU's `-device` takes them.
    pub devices: Vec<String>,
    /// Where the clock chip begins, as QEMU's `-rtc base=` takes it, instead of the host's time.
    pub clock: Option<String>,
    /// Without the device that gives the host's random bytes.
    pub no_rng: bool,
    /// It goes on where [`Machine::save`] left another one; a file.
    ///
    /// [`Machine::save`]: super::Machine::save
    pub saved: Option<PathBuf>,
}

/// Who executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// QEMU's software emulation: works everywhere, about ten times slower than the host.
    Tcg,
    /// The host's hardware virtualisation.
    Kvm,
}

/// Where the first instruction comes from.
#[derive(Clone, Debug)]
pub enum Boot {
    /// QEMU loads kernel and modules itself. A multiboot kernel takes several modules, Linux at most one initrd.
    Direct {
        /// Multiboot or Linux kernel.
        kernel: PathBuf,
        /// The kernel's command line.
        arguments: String,
        /// Initrd or multiboot modules.
        modules: Vec<Module>,
    },
    /// The firmware (OVMF) finds the loader on the disk's EFI system partition.
    UefiDisk(Disk),
    /// The BIOS executes the disk's master boot record.
    BiosDisk(Disk),
}

/// A file loaded beside a directly booted kernel.
#[derive(Clone, Debug)]
pub struct Module {
    /// What it holds.
    pub content: Content,
    /// The module's own command line (multiboot only).
    pub arguments: String,
}

/// What a module holds.
#[derive(Clone)]
pub enum Content {
    /// A file on the host, which stays there.
    File(PathBuf),
    /// Bytes that exist as a file only until QEMU has read them.
    Secret(Vec<u8>),
}

impl Module {
    /// A module from a file, with its command line.
    #[must_use]
    pub fn file(file: &Path, arguments: &str) -> Self {
        Self { content: Content::File(file.to_owned()), arguments: arguments.to_owned() }
    }

    /// A module that holds a secret.
    #[must_use]
    pub fn secret(bytes: Vec<u8>) -> Self {
        Self { content: Content::Secret(bytes), arguments: String::new() }
    }
}

/// Shows how much, never what: a secret must not reach a log by `{:?}`.
impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(formatter, "File({})", file.display()),
            Self::Secret(bytes) => write!(formatter, "Secret({} bytes)", bytes.len()),
        }
    }
}

/// A virtio disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The image on the host: raw, unless its name ends with `.qcow2`.
    pub file: PathBuf,
    /// Serial number by which the guest finds it.
    pub serial: String,
    /// Whether the guest may write.
    pub access: Access,
}

impl Disk {
    /// A disk that the guest can only read.
    #[must_use]
    pub fn read_only(file: &Path, serial: &str) -> Self {
        Self { file: file.to_owned(), serial: serial.to_owned(), access: Access::ReadOnly }
    }

    /// A disk that the guest reads and writes.
    #[must_use]
    pub fn read_write(file: &Path, serial: &str) -> Self {
        Self { file: file.to_owned(), serial: serial.to_owned(), access: Access::ReadWrite }
    }
}

/// Whether the guest may write to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Refused by QEMU and by the device.
    ReadOnly,
    /// Cached by the host; a flush of the guest reaches the host's disk before it is answered.
    ReadWrite,
}

/// What the guest's network card is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// QEMU's user network, with these TCP ports of the guest made reachable on 127.0.0.1.
    User(Vec<Forward>),
    /// A tap interface that exists already, in the network namespace that QEMU is started in.
    Tap {
        /// The interface's name.
        interface: String,
        /// The card's address, `52:54:00:…`.
        mac: String,
        /// How long frames are held back in each direction, in microseconds; zero is not at all.
        hold_us: u32,
    },
    /// A pair of datagram sockets in the machine's folder, a frame each: whoever owns [`HOST_WIRE`] is the network.
    ///
    /// [`HOST_WIRE`]: super::HOST_WIRE
    Datagrams,
}

/// How fast the guest's instructions are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the host can.
    Free,
    /// Counted by QEMU (its `-icount`), which [`super::Machine::instructions`] reads. Slower; under emulation only.
    Counted,
}

/// One TCP port of the guest on the host's loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port on 127.0.0.1.
    pub host_port: u16,
    /// Port inside the guest.
    pub guest_port: u16,
}

/// A secret for a systemd guest.
#[derive(Clone)]
pub struct Credential {
    /// Name under which the guest's units import it.
    pub name: String,
    /// Any bytes.
    pub value: Vec<u8>,
}

/// Shows the name only: a secret must not reach a log by `{:?}`.
impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({}, {} bytes)", self.name, self.value.len())
    }
}
