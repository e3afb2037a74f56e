//! The command line of QEMU: a pure function of a machine's `Spec`.
//!
//! It starts nothing and reads no file. Invariant: no host path and no secret stands on the command line; QEMU runs
//! in the machine's folder and sees only the short names that `names` gives (spaces, commas and long paths of the
//! host therefore cannot break an option).
use super::names;
use super::spec::{Accel, Access, Boot, Disk, Forward, Module, Network, Pace, Spec, Variation};

/// Status QEMU ends with when a guest writes `value` to the debug-exit port (QEMU: hw/misc/debugexit.c).
#[must_use]
pub const fn debug_exit_status(value: u8) -> i32 {
    (value as i32) << 1 | 1
}

/// All arguments after the program's name.
pub(super) fn arguments(spec: &Spec) -> Vec<String> {
    let mut line = Line::default();
    common(&mut line, spec);
    boot(&mut line, &spec.boot);
    for (index, disk) in spec.disks.iter().enumerate() {
        data_disk(&mut line, index, disk);
    }
    network(&mut line, &spec.network, &spec.variation);
    pace(&mut line, spec);
    for device in &spec.variation.devices {
        line.option("-device", device);
    }
    if spec.variation.saved.is_some() {
        line.option("-incoming", format!("file:{}", names::SAVED));
    }
    for index in 0..spec.credentials.len() {
        line.option("-smbios", format!("type=11,path={}", names::credential(index)));
    }
    line.0
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn flag(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.flag(name);
        self.0.push(value.into());
    }
}

fn common(line: &mut Line, spec: &Spec) {
    let (accel, cpu) = match spec.accel {
        Accel::Tcg => ("tcg", "max"),
        Accel::Kvm => ("kvm", "host"),
    };
    line.option("-name", format!("bootstack-{}", spec.name));
    line.flag("-no-user-config");
    line.flag("-nodefaults");
    if !spec.variation.restarts {
        line.flag("-no-reboot");
    }
    line.option("-machine", "type=pc");
    line.option("-accel", accel);
    // QEMU 10 ends with "Bad icount read" when a counted guest sets the timer of an x2APIC, a write to a register.
    let counted = (spec.pace == Pace::Counted).then_some("x2apic");
    let lacks = spec.lacks.iter().map(|feature| &**feature).chain(counted);
    line.option("-cpu", lacks.fold(cpu.to_owned(), |cpu, feature| cpu + ",-" + feature));
    line.option("-smp", format!("cpus={}", spec.cpus));
    line.option("-m", format!("size={}M", spec.memory_mib));
    let clock = spec.variation.clock.as_deref().unwrap_or("utc");
    line.option("-rtc", format!("base={clock},clock=host"));
    line.option("-display", "none");
    line.option("-serial", format!("file:{}", names::SERIAL_LOG));
    line.option("-qmp", format!("unix:{},server=on,wait=off", names::QMP_SOCKET));
    if !spec.variation.no_rng {
        line.option("-object", "rng-random,id=entropy,filename=/dev/urandom");
        line.option("-device", "virtio-rng-pci,rng=entropy,disable-legacy=on");
    }
    if !spec.variation.restarts {
        line.option("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04");
    }
}

fn boot(line: &mut Line, boot: &Boot) {
    match boot {
        Boot::Direct { arguments, modules, .. } => direct(line, arguments, modules),
        Boot::UefiDisk(disk) => {
            line.option("-bios", names::FIRMWARE);
            boot_disk(line, disk);
        }
        Boot::BiosDisk(disk) => boot_disk(line, disk),
    }
}

fn direct(line: &mut Line, arguments: &str, modules: &[Module]) {
    line.option("-kernel", names::KERNEL);
    if !arguments.is_empty() {
        line.option("-append", arguments);
    }
    let modules: Vec<String> =
        modules.iter().enumerate().map(|(index, module)| argument_of(index, module)).collect();
    if !modules.is_empty() {
        line.option("-initrd", modules.join(","));
    }
}

fn argument_of(index: usize, module: &Module) -> String {
    let name = names::module(index);
    if module.arguments.is_empty() { name } else { format!("{name} {}", doubled_commas(&module.arguments)) }
}

/// QEMU's own escape: a comma inside a value is written twice.
fn doubled_commas(value: &str) -> String {
    value.replace(',', ",,")
}

fn boot_disk(line: &mut Line, disk: &Disk) {
    disk_pair(line, "boot", names::BOOT_DISK, disk, ",bootindex=0");
}

fn data_disk(line: &mut Line, index: usize, disk: &Disk) {
    disk_pair(line, &format!("disk{index}"), &names::disk(index), disk, "");
}

/// `-blockdev` leaves the cache at its default: written back by the host, with every flush of the guest passed on.
fn disk_pair(line: &mut Line, node: &str, file: &str, disk: &Disk, suffix: &str) {
    let read_only = if disk.access == Access::ReadOnly { "on" } else { "off" };
    let driver =
        if disk.file.extension().is_some_and(|extension| extension == "qcow2") { "qcow2" } else { "raw" };
    line.option(
        "-blockdev",
        format!(
            "driver={driver},node-name={node},read-only={read_only},file.driver=file,file.filename={file}"
        ),
    );
    let serial = doubled_commas(&disk.serial);
    line.option("-device", format!("virtio-blk-pci,drive={node},serial={serial},disable-legacy=on{suffix}"));
}

/// `romfile=` is empty: without the network boot program the firmware loses no time offering it.
fn network(line: &mut Line, network: &Network, variation: &Variation) {
    match network {
        Network::User(forwards) => {
            line.option("-netdev", user(forwards));
            line.option("-device", card(variation));
        }
        Network::Tap { interface, mac, hold_us } => {
            line.option("-netdev", format!("tap,id=network,ifname={interface},script=no,downscript=no"));
            line.option("-device", format!("{},mac={mac}", card(variation)));
            if *hold_us > 0 {
                line.option("-object", format!("filter-buffer,id=hold,netdev=network,interval={hold_us}"));
            }
        }
        Network::Datagrams => {
            let (guest, host) = (names::GUEST_WIRE, names::HOST_WIRE);
            line.option(
                "-netdev",
                format!(
                    "dgram,id=network,local.type=unix,local.path={guest},remote.type=unix,remote.path={host}"
                ),
            );
            line.option("-device", card(variation));
        }
    }
}

fn card(variation: &Variation) -> String {
    let mut card = "virtio-net-pci,netdev=network,romfile=".to_owned();
    if !variation.card.iter().any(|property| property.starts_with("disable-legacy=")) {
        card.push_str(",disable-legacy=on");
    }
    variation.card.iter().fold(card, |card, property| card + "," + property)
}

fn user(forwards: &[Forward]) -> String {
    let forward =
        |forward: &Forward| format!(",hostfwd=tcp:127.0.0.1:{}-:{}", forward.host_port, forward.guest_port);
    forwards.iter().map(forward).fold("user,id=network,ipv6=off".to_owned(), |text, part| text + &part)
}

/// QEMU tells how many instructions it has executed only while it records them for a replay, which nobody wants here
/// (docs/system/replay.rst). The card's frames must pass a filter then.
fn pace(line: &mut Line, spec: &Spec) {
    if spec.pace == Pace::Counted {
        line.option("-icount", "shift=1,rr=record,rrfile=/dev/null");
        line.option("-object", "filter-replay,id=count,netdev=network");
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::Credential;
    use super::*;
    use expect_test::{Expect, expect};
    use std::path::PathBuf;

    fn spec(boot: Boot) -> Spec {
        Spec {
            name: "web".to_owned(),
            folder: PathBuf::from("/a folder, with a comma"),
            memory_mib: 128,
            cpus: 1,
            accel: Accel::Tcg,
            lacks: Vec::new(),
            boot,
            disks: Vec::new(),
            network: Network::User(vec![Forward { host_port: 8443, guest_port: 443 }]),
            pace: Pace::Free,
            credentials: Vec::new(),
            variation: Variation::default(),
        }
    }

    fn read_only(file: &str) -> Disk {
        Disk::read_only(file.as_ref(), "root")
    }

    /// The part of the line that the case is about, one option per row.
    fn check(spec: &Spec, from: &str, expected: &Expect) {
        let line = arguments(spec).join(" ").replace(" -", "\n-");
        let start = line.find(from).expect("the option is on the line");
        expected.assert_eq(&line[start..]);
    }

    #[test]
    fn a_direct_boot_names_links_in_the_folder_and_escapes_commas() {
        let modules = vec![
            Module::file("/x y/application".as_ref(), "-- /boot/config.toml a,b"),
            Module::secret(b"private key".to_vec()),
        ];
        let boot = Boot::Direct { kernel: "/x y/loader".into(), arguments: String::new(), modules };
        check(
            &spec(boot),
            "-name",
            &expect![[r#"
            -name bootstack-web
            -no-user-config
            -nodefaults
            -no-reboot
            -machine type=pc
            -accel tcg
            -cpu max
            -smp cpus=1
            -m size=128M
            -rtc base=utc,clock=host
            -display none
            -serial file:serial.log
            -qmp unix:qmp.sock,server=on,wait=off
            -object rng-random,id=entropy,filename=/dev/urandom
            -device virtio-rng-pci,rng=entropy,disable-legacy=on
            -device isa-debug-exit,iobase=0xf4,iosize=0x04
            -kernel kernel
            -initrd module0
            -- /boot/config.toml a,,b,module1
            -netdev user,id=network,ipv6=off,hostfwd=tcp:127.0.0.1:8443-:443
            -device virtio-net-pci,netdev=network,romfile=,disable-legacy=on"#]],
        );
    }

    #[test]
    fn a_uefi_boot_brings_firmware_and_a_first_boot_disk() {
        check(
            &spec(Boot::UefiDisk(read_only("/disk.raw"))),
            "-bios",
            &expect![[r#"
            -bios firmware
            -blockdev driver=raw,node-name=boot,read-only=on,file.driver=file,file.filename=boot.raw
            -device virtio-blk-pci,drive=boot,serial=root,disable-legacy=on,bootindex=0
            -netdev user,id=network,ipv6=off,hostfwd=tcp:127.0.0.1:8443-:443
            -device virtio-net-pci,netdev=network,romfile=,disable-legacy=on"#]],
        );
    }

    #[test]
    fn a_disk_is_read_as_its_name_says() {
        let line = arguments(&spec(Boot::BiosDisk(read_only("/disk.qcow2")))).join(" ");
        assert!(line.contains("-blockdev driver=qcow2,node-name=boot,"), "{line}");
    }

    #[test]
    fn a_volume_is_writable_and_a_credential_is_a_file() {
        let mut spec = spec(Boot::BiosDisk(read_only("/disk.raw")));
        spec.disks.push(Disk::read_write("/v".as_ref(), "mysqldata"));
        spec.credentials.push(Credential { name: "password".to_owned(), value: b"secret".to_vec() });
        assert!(!arguments(&spec).join(" ").contains("secret"));
        check(
            &spec,
            "-blockdev driver=raw,node-name=disk0",
            &expect![[r#"
            -blockdev driver=raw,node-name=disk0,read-only=off,file.driver=file,file.filename=disk0.raw
            -device virtio-blk-pci,drive=disk0,serial=mysqldata,disable-legacy=on
            -netdev user,id=network,ipv6=off,hostfwd=tcp:127.0.0.1:8443-:443
            -device virtio-net-pci,netdev=network,romfile=,disable-legacy=on
            -smbios type=11,path=credential0"#]],
        );
    }

    #[test]
    fn a_variation_changes_what_it_names_and_nothing_else() {
        let mut spec = spec(Boot::BiosDisk(read_only("/disk.raw")));
        spec.variation = Variation {
            restarts: true,
            card: vec!["csum=off".to_owned()],
            devices: vec!["vmgenid,guid=auto".to_owned()],
            ..Variation::default()
        };
        let line = arguments(&spec).join(" ");
        assert!(!line.contains("no-reboot") && !line.contains("isa-debug-exit"));
        check(
            &spec,
            "-netdev",
            &expect![[r#"
            -netdev user,id=network,ipv6=off,hostfwd=tcp:127.0.0.1:8443-:443
            -device virtio-net-pci,netdev=network,romfile=,disable-legacy=on,csum=off
            -device vmgenid,guid=auto"#]],
        );
    }

    #[test]
    fn a_wire_of_datagrams_lies_in_the_machines_folder() {
        let mut spec = spec(Boot::BiosDisk(read_only("/disk.raw")));
        spec.network = Network::Datagrams;
        check(
            &spec,
            "-netdev",
            &expect![[r#"
            -netdev dgram,id=network,local.type=unix,local.path=guest.wire,remote.type=unix,remote.path=host.wire
            -device virtio-net-pci,netdev=network,romfile=,disable-legacy=on"#]],
        );
    }

    #[test]
    fn the_cpu_follows_the_accelerator() {
        let mut spec = spec(Boot::BiosDisk(read_only("/disk.raw")));
        spec.accel = Accel::Kvm;
        spec.lacks = vec!["rdseed".to_owned(), "rdrand".to_owned()];
        assert!(arguments(&spec).join(" ").contains("-accel kvm -cpu host,-rdseed,-rdrand -smp"));
    }
}
