//! The two machines of the stack as QEMU machines: which disks, ports and modules each is given.
//!
//! It does not build their parts nor place configuration on a disk. Invariant: the db machine's root is never
//! writable, and its volume is the only disk that is.
use super::spec::{Accel, Boot, Credential, Disk, Forward, Module, Network, Pace, Spec, Variation};
use std::path::{Path, PathBuf};

/// Ports inside the guests: HTTP and HTTPS as registered with IANA, MySQL's own.
const GUEST_HTTP: u16 = 80;
const GUEST_HTTPS: u16 = 443;
const GUEST_MYSQL: u16 = 3306;

/// Serial by which the db machine finds its volume (`/dev/disk/by-id/virtio-mysqldata`).
const VOLUME_SERIAL: &str = "mysqldata";
/// Serial of the disk that a machine boots from.
const ROOT_SERIAL: &str = "root";

/// How the web machine boots.
#[derive(Clone, Debug)]
pub enum WebBoot {
    /// QEMU loads the multiboot loader, the application and the configuration.
    Direct {
        /// The multiboot loader.
        loader: PathBuf,
        /// The application's ELF file.
        application: PathBuf,
        /// `[kernel arguments] -- [application arguments]`.
        arguments: String,
        /// Content of the configuration file.
        config: Vec<u8>,
    },
    /// The firmware loads from a disk that already carries the machine's own configuration.
    Uefi {
        /// The machine's own copy of the image.
        disk: PathBuf,
    },
    /// The BIOS loads from such a disk.
    Bios {
        /// The machine's own copy of the image.
        disk: PathBuf,
    },
}

/// How the db machine boots.
#[derive(Clone, Debug)]
pub enum DbBoot {
    /// QEMU loads kernel and initrd; the root file system is a disk without a partition table.
    Direct {
        /// Linux.
        kernel: PathBuf,
        /// The initial RAM disk.
        initrd: PathBuf,
        /// The root file system.
        root: PathBuf,
        /// The kernel's command line.
        arguments: String,
    },
    /// The firmware loads from the image.
    Uefi {
        /// The image, which is never written to.
        disk: PathBuf,
    },
    /// The BIOS loads from the image.
    Bios {
        /// The image, which is never written to.
        disk: PathBuf,
    },
}

/// Where the web machine is reached on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct WebPorts {
    /// Plain HTTP, which redirects.
    pub http: u16,
    /// HTTPS.
    pub https: u16,
}

/// Where the db machine is reached on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct DbPorts {
    /// MySQL's protocol.
    pub mysql: u16,
}

/// A web machine in `folder`, under software emulation, with one virtual CPU unless the caller changes it.
#[must_use]
pub fn web(folder: &Path, memory_mib: u32, boot: WebBoot, ports: WebPorts) -> Spec {
    Spec {
        name: "web".to_owned(),
        folder: folder.to_owned(),
        memory_mib,
        cpus: 1,
        accel: Accel::Tcg,
        lacks: Vec::new(),
        boot: web_boot(boot),
        disks: Vec::new(),
        network: Network::User(vec![forward(ports.http, GUEST_HTTP), forward(ports.https, GUEST_HTTPS)]),
        pace: Pace::Free,
        credentials: Vec::new(),
        variation: Variation::default(),
    }
}

/// A db machine in `folder` with its `volume`, under software emulation, with one virtual CPU unless the caller
/// changes it.
#[must_use]
pub fn db(
    folder: &Path,
    memory_mib: u32,
    boot: DbBoot,
    volume: &Path,
    credentials: Vec<Credential>,
    ports: DbPorts,
) -> Spec {
    let (boot, mut disks) = db_boot(boot);
    disks.push(Disk::read_write(volume, VOLUME_SERIAL));
    Spec {
        name: "db".to_owned(),
        folder: folder.to_owned(),
        memory_mib,
        cpus: 1,
        accel: Accel::Tcg,
        lacks: Vec::new(),
        boot,
        disks,
        network: Network::User(vec![forward(ports.mysql, GUEST_MYSQL)]),
        pace: Pace::Free,
        credentials,
        variation: Variation::default(),
    }
}

fn web_boot(boot: WebBoot) -> Boot {
    match boot {
        WebBoot::Direct { loader, application, arguments, config } => Boot::Direct {
            kernel: loader,
            arguments: String::new(),
            modules: vec![Module::file(&application, &arguments), Module::secret(config)],
        },
        WebBoot::Uefi { disk } => Boot::UefiDisk(Disk::read_only(&disk, ROOT_SERIAL)),
        WebBoot::Bios { disk } => Boot::BiosDisk(Disk::read_only(&disk, ROOT_SERIAL)),
    }
}

fn db_boot(boot: DbBoot) -> (Boot, Vec<Disk>) {
    match boot {
        DbBoot::Direct { kernel, initrd, root, arguments } => {
            let modules = vec![Module::file(&initrd, "")];
            (Boot::Direct { kernel, arguments, modules }, vec![Disk::read_only(&root, ROOT_SERIAL)])
        }
        DbBoot::Uefi { disk } => (Boot::UefiDisk(Disk::read_only(&disk, ROOT_SERIAL)), Vec::new()),
        DbBoot::Bios { disk } => (Boot::BiosDisk(Disk::read_only(&disk, ROOT_SERIAL)), Vec::new()),
    }
}

fn forward(host_port: u16, guest_port: u16) -> Forward {
    Forward { host_port, guest_port }
}

#[cfg(test)]
mod tests {
    use super::super::spec::Access;
    use super::*;

    #[test]
    fn the_volume_is_the_only_disk_that_the_db_machine_may_write() {
        let direct = DbBoot::Direct {
            kernel: "k".into(),
            initrd: "i".into(),
            root: "r".into(),
            arguments: String::new(),
        };
        for boot in [direct, DbBoot::Uefi { disk: "d".into() }, DbBoot::Bios { disk: "d".into() }] {
            let spec = db(Path::new("f"), 512, boot, Path::new("v"), Vec::new(), DbPorts { mysql: 13306 });
            let boot_disk = match &spec.boot {
                Boot::UefiDisk(disk) | Boot::BiosDisk(disk) => Some(disk),
                Boot::Direct { .. } => None,
            };
            let writable: Vec<&str> = (spec.disks.iter().chain(boot_disk))
                .filter(|disk| disk.access == Access::ReadWrite)
                .map(|disk| disk.serial.as_str())
                .collect();
            assert_eq!(writable, [VOLUME_SERIAL]);
        }
    }
}
