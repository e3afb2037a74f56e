//! A db machine of a story.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use image::db::{Client, Login, Operator};
use image::machine::{self, Credential, DbBoot, DbPorts, Ended, Machine, Network, free_port};

use super::Stand;

/// How every line of the machine's own begins.
const OURS: &str = "bootstack: ";
/// What the machine says when it accepts logins.
pub const READY: &str = "bootstack: mysql ready";
/// What a machine says, with the reason, before it ends without having touched anything.
pub const REFUSED: &str = "bootstack: refused:";

/// MySQL's own port, where the machine is reached without anything in between.
const MYSQL: u16 = 3306;
/// A first boot with a blank volume took 78 s under emulation on a quiet host, a second one 19 s; a host with six busy
/// compilers on two cores needed more than 480 s.
const BOOT_DEADLINE: Duration = Duration::from_secs(900);
/// MySQL flushes, systemd unmounts.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(120);

/// A db machine and the volume it works on.
pub struct Db {
    /// The machine.
    pub machine: Machine,
    port: u16,
    volume: PathBuf,
    password: String,
    credentials: Vec<Credential>,
}

impl Stand {
    /// Powers on a db machine over `volume`; `password` is what the site's user shall have.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start_db(&mut self, volume: &Path, password: &str) -> Result<Db> {
        self.start_db_at(volume, password, free_port()?)
    }

    fn start_db_at(&mut self, volume: &Path, password: &str, port: u16) -> Result<Db> {
        let folder = self.machine_folder("db")?;
        let credentials = self.identity.db_credentials(password)?;
        self.power_on(&folder, self.parts.db_boot()?, volume, (password, credentials), port, None)
    }

    /// Powers on the same machine with its network card connected to this, where it is found under [`DB_ON_BRIDGE`].
    ///
    /// [`DB_ON_BRIDGE`]: super::DB_ON_BRIDGE
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start_db_on(&mut self, network: Network, volume: &Path, password: &str) -> Result<Db> {
        let folder = self.machine_folder("db")?;
        let credentials = self.identity.db_credentials(password)?;
        let boot = self.parts.db_boot()?;
        self.power_on(&folder, boot, volume, (password, credentials), MYSQL, Some(network))
    }

    /// The same machine as a cloud starts it that passes no SMBIOS strings: by UEFI, its credentials on its own disk.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start_db_from_its_disk(&mut self, volume: &Path, password: &str) -> Result<Db> {
        let folder = self.machine_folder("db")?;
        let boot = self.parts.db_disk_boot(&folder, &self.identity.db_credentials(password)?)?;
        self.power_on(&folder, boot, volume, (password, Vec::new()), free_port()?, None)
    }

    /// The same machine from the compressed disk by BIOS, without any credentials.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start_db_without_credentials(&mut self, volume: &Path) -> Result<Db> {
        let folder = self.machine_folder("db")?;
        self.power_on(&folder, self.parts.db_compressed_boot()?, volume, ("", Vec::new()), free_port()?, None)
    }

    fn power_on(
        &mut self,
        folder: &Path,
        boot: DbBoot,
        volume: &Path,
        (password, credentials): (&str, Vec<Credential>),
        port: u16,
        network: Option<Network>,
    ) -> Result<Db> {
        let memory_mib = self.parts.stack().db.memory_mib;
        let mut spec =
            machine::db(folder, memory_mib, boot, volume, credentials.clone(), DbPorts { mysql: port });
        if let Some(network) = network {
            spec.network = network;
        }
        let machine = Machine::start(&spec)?;
        self.watch(&machine);
        Ok(Db { machine, port, volume: volume.to_owned(), password: password.to_owned(), credentials })
    }

    /// Powers on another machine for the same volume at the same port, in the place of one that has ended.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn restart_db(&mut self, db: Db, password: &str) -> Result<Db> {
        let Db { machine, port, volume, .. } = db;
        drop(machine);
        self.start_db_at(&volume, password, port)
    }

    /// The same with the very credentials that the one before was given, as in a cloud.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn restart_db_as_it_was(&mut self, db: Db) -> Result<Db> {
        let Db { machine, port, volume, password, credentials } = db;
        drop(machine);
        let folder = self.machine_folder("db")?;
        self.power_on(&folder, self.parts.db_boot()?, &volume, (&password, credentials), port, None)
    }

    /// Who may do what the site may, with the MySQL that is found under this address.
    ///
    /// # Errors
    /// When MySQL's client is not there.
    pub fn as_site(&self, db: &Db, host: &str) -> Result<Client> {
        let own = self.identity.authority().issue(&["site"], 1)?;
        let login = Login {
            host,
            port: db.port,
            user: "site",
            password: &db.password,
            ca: &self.identity.both_roots(),
            certificate: &own.certificate_chain,
            key: &own.private_key,
        };
        Client::new(self.parts.layout(), &login)
    }

    /// Who may give the machine another certificate: trusts both roots, and presents a certificate of the stand's authority.
    ///
    /// # Errors
    /// When MySQL's client is not there.
    pub fn operator(&self, db: &Db) -> Result<Operator> {
        let own = self.identity.authority().issue(&["operator"], 1)?;
        let login = Login {
            host: "127.0.0.1",
            port: db.port,
            user: "operator",
            password: self.identity.operator(),
            ca: &self.identity.both_roots(),
            certificate: &own.certificate_chain,
            key: &own.private_key,
        };
        Operator::new(self.parts.layout(), &login)
    }
}

impl Db {
    /// Where MySQL is reached on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The volume's file.
    #[must_use]
    pub fn volume(&self) -> &Path {
        &self.volume
    }

    /// The password of the site's user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    pub(super) fn lives_in(&self, folder: &Path) -> bool {
        self.volume.starts_with(folder) || self.machine.serial_log().starts_with(folder)
    }

    /// Waits until MySQL accepts logins.
    ///
    /// # Errors
    /// When the machine ends first or the deadline passes.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        self.machine.wait_for_line(BOOT_DEADLINE, READY).map(drop)
    }

    /// Waits until the machine has said why it refuses, and has ended.
    ///
    /// # Errors
    /// When it gets ready instead, or does neither.
    pub fn wait_until_refused(&mut self) -> Result<(String, Ended)> {
        let line = self.machine.wait_for_line(BOOT_DEADLINE, OURS)?;
        ensure!(line.contains(REFUSED), "the machine refuses nothing: {line}");
        Ok((line, self.machine.wait_for_end(SHUTDOWN_DEADLINE)?))
    }

    /// Presses the power button and waits for the end.
    ///
    /// # Errors
    /// When the machine does not shut down.
    pub fn power_down(&mut self) -> Result<Ended> {
        self.machine.power_down(SHUTDOWN_DEADLINE)
    }

    /// Takes the power away.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn cut(&mut self) -> Result<()> {
        self.machine.cut()
    }

    /// Everything the machine has written to its serial port.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn console(&self) -> Result<String> {
        super::web::console(&self.machine)
    }
}
