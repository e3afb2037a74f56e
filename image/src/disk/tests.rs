//! Disks and their file systems, without booting a machine.

use std::path::{Path, PathBuf};

use super::*;

fn esp() -> Esp {
    Esp::new("TEST")
        .file("EFI/BOOT/BOOTX64.EFI", Content::Bytes(vec![7; 70_000]))
        .file("bootstack/application", Content::Bytes((0..=255).cycle().take(3_000_001).collect()))
}

fn disk(esp: Vec<u8>) -> Disk {
    let boot = Partition {
        label: "boot".into(),
        kind: kind::EFI,
        attributes: BOOTS_BIOS,
        content: Content::Bytes(esp),
    };
    let root = Partition {
        label: "root".into(),
        kind: kind::LINUX_ROOT_X64,
        attributes: READ_ONLY,
        content: Content::Bytes(vec![3; 1_500_000]),
    };
    Disk { partitions: vec![boot, root], boot_code: Some(vec![0x90; 440]) }
}

fn write(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    disk(esp().build().unwrap()).write(&path).unwrap();
    path
}

#[test]
fn two_builds_in_different_folders_are_equal() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (write(one.path(), "a.raw"), write(other.path(), "b with spaces.raw"));
    assert_eq!(sha256(&a).unwrap(), sha256(&b).unwrap());
}

#[test]
fn a_changed_byte_changes_every_identity() {
    let changed = Partition { content: Content::Bytes(vec![1]), ..disk(vec![0]).partitions[0].clone() };
    assert_ne!(disk(vec![0]).partitions[0].guid().unwrap(), changed.guid().unwrap());
    let other = esp().file("more", Content::Bytes(vec![1])).build().unwrap();
    assert_ne!(esp().build().unwrap()[39..43], other[39..43]);
}

#[test]
fn partitions_lie_where_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.raw");
    let bytes = std::fs::read(&path).unwrap();
    let (start, len) = find(&path, &kind::LINUX_ROOT_X64).unwrap();
    let (start, len) = (usize::try_from(start).unwrap(), usize::try_from(len).unwrap());
    assert_eq!((start % (1 << 20), len), (0, 2 << 20));
    assert!(bytes[start..start + 1_500_000].iter().all(|byte| *byte == 3));
    assert!(bytes[start + 1_500_000..start + len].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[..440], [0x90; 440]);
    assert_eq!(bytes[510..512], [0x55, 0xaa]);
    assert!(find(&path, &kind::LINUX_SWAP).unwrap_err().to_string().contains("no partition of type"));
}

#[test]
fn files_come_back_and_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.raw");
    let application = read_file(&path, "bootstack/application").unwrap().unwrap();
    assert_eq!(application, (0..=255).cycle().take(3_000_001).collect::<Vec<u8>>());
    write_file(&path, "bootstack/config.toml", b"a longer first text").unwrap();
    write_file(&path, "bootstack/config.toml", b"short").unwrap();
    assert_eq!(read_file(&path, "bootstack/config.toml").unwrap().unwrap(), b"short");
    assert_eq!(read_file(&path, "bootstack/absent").unwrap(), None);
    assert_eq!(read_file(&path, "bootstack/application").unwrap().unwrap(), application);
    // There is no room for both.
    let other = vec![7; application.len()];
    write_file(&path, "bootstack/application", &other).unwrap();
    assert_eq!(read_file(&path, "bootstack/application").unwrap().unwrap(), other);
}

#[test]
fn a_file_that_does_not_fit_is_refused_before_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.raw");
    let before = sha256(&path).unwrap();
    let error = write_file(&path, "big", &vec![0; 6 << 20]).unwrap_err().to_string();
    assert!(error.starts_with("big has 6291456 bytes"), "{error}");
    assert_eq!(sha256(&path).unwrap(), before);
}

#[test]
fn boot_code_that_is_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk { boot_code: Some(vec![0; 441]), ..Disk::default() };
    let error = disk.write(&folder.path().join("a.raw")).unwrap_err().to_string();
    assert_eq!(error, "boot code of 441 bytes: at most 440 fit");
}

#[test]
fn a_large_esp_is_fat32() {
    let large = Esp::new("LARGE").file("kernel", Content::Bytes(vec![1; 40 << 20])).build().unwrap();
    assert_eq!(&large[82..87], b"FAT32");
    assert_eq!(&esp().build().unwrap()[54..59], b"FAT16");
}
