//! Credentials on the db machine's own copy of its disk, for clouds that pass no SMBIOS strings.
//!
//! They lie on the EFI system partition twice, since two loaders look for them: systemd's stub takes files beside itself
//! (systemd-stub(7), "companion files"), syslinux takes an archive. Either way they reach Linux as a part of its initrd, and
//! `image/linux/initrd/init` hands them to systemd. Invariant: an image holds none.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::initrd::Archive;
use crate::disk;
use crate::machine::Credential;

/// Where systemd's stub puts them in the initrd, and so do we.
const FOLDERS: [&str; 2] = [".extra", ".extra/credentials"];
/// Beside the application that the firmware starts.
const STUB_FOLDER: &str = "EFI/BOOT/BOOTX64.EFI.extra.d";
/// The second initrd of syslinux.cfg.
pub(super) const ARCHIVE: &str = "credentials";

/// Writes `credentials` onto a machine's own copy of the raw disk, in place of any that are there.
///
/// # Errors
/// When `disk` is not a sound disk of a db machine, or has no room.
pub fn place_credentials(disk: &Path, credentials: &[Credential]) -> Result<()> {
    let is_db = disk::read_file(disk, ARCHIVE)?.is_some();
    ensure!(is_db, "{} is not a disk of a db machine: it has no {ARCHIVE}", disk.display());
    for credential in credentials {
        let path = format!("{STUB_FOLDER}/{}.cred", credential.name);
        disk::write_file(disk, &path, &credential.value)
            .with_context(|| format!("cannot place {}", credential.name))?;
    }
    disk::write_file(disk, ARCHIVE, &archive(credentials))
}

/// The archive for syslinux; an image's own is empty.
pub(super) fn archive(credentials: &[Credential]) -> Vec<u8> {
    let mut archive = Archive::default();
    if !credentials.is_empty() {
        FOLDERS.iter().for_each(|folder| archive.folder(folder));
    }
    for credential in credentials {
        archive.file(&format!("{}/{}.cred", FOLDERS[1], credential.name), &credential.value);
    }
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Content, Disk, Esp, Partition, kind};

    fn disk(path: &Path, files: &[&str]) {
        let esp = files.iter().fold(Esp::new("TEST"), |esp, name| esp.file(name, Content::Bytes(vec![1; 9])));
        let content = Content::Bytes(esp.build().unwrap());
        let partition = Partition { label: "boot".into(), kind: kind::EFI, attributes: 0, content };
        Disk { partitions: vec![partition], boot_code: None }.write(path).unwrap();
    }

    #[test]
    fn both_loaders_find_what_was_placed_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db disk.raw");
        disk(&path, &[ARCHIVE]);
        for value in [&b"a longer first password"[..], b"second"] {
            let password = Credential { name: "bootstack.db.password".to_owned(), value: value.to_vec() };
            place_credentials(&path, &[password]).unwrap();
        }
        let stub = disk::read_file(&path, &format!("{STUB_FOLDER}/bootstack.db.password.cred")).unwrap();
        assert_eq!(stub.unwrap(), b"second");
        let archive = disk::read_file(&path, ARCHIVE).unwrap().unwrap();
        let archive = String::from_utf8_lossy(&archive).into_owned();
        assert!(archive.contains(".extra/credentials/bootstack.db.password.cred\0"), "{archive:?}");
        assert!(archive.contains("second") && !archive.contains("first"), "{archive:?}");
    }

    #[test]
    fn a_foreign_disk_gets_no_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.raw");
        disk(&path, &["vmlinuz"]);
        let error = place_credentials(&path, &[]).unwrap_err().to_string();
        assert!(error.contains("is not a disk of a db machine"), "{error}");
    }
}
