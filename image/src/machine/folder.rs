//! Lays out a machine's folder before QEMU starts in it, and clears the secrets out of it afterwards.
//!
//! It starts nothing. Invariant: secrets are files of mode 0600 in a folder of mode 0700, and those that QEMU reads
//! at its start are gone once it has.
use super::spec::{Boot, Content, Credential, Spec};
use super::{firmware, names};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

/// Makes everything that the command line names, fresh.
pub(super) fn lay_out(spec: &Spec) -> Result<()> {
    let folder = &spec.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot restrict {}", folder.display()))?;
    for leftover in [names::QMP_SOCKET, names::SERIAL_LOG, names::QEMU_LOG] {
        remove(&folder.join(leftover))?;
    }
    lay_out_boot(folder, &spec.boot)?;
    if let Some(saved) = &spec.variation.saved {
        link(saved, &folder.join(names::SAVED))?;
    }
    for (index, disk) in spec.disks.iter().enumerate() {
        link(&disk.file, &folder.join(names::disk(index)))?;
    }
    for (index, credential) in spec.credentials.iter().enumerate() {
        write_secret(&folder.join(names::credential(index)), smbios_string(credential).as_bytes())?;
    }
    Ok(())
}

/// Removes the secrets that QEMU has read by now.
pub(super) fn clear_secrets(spec: &Spec) -> Result<()> {
    for index in 0..spec.credentials.len() {
        remove(&spec.folder.join(names::credential(index)))?;
    }
    if let Boot::Direct { modules, .. } = &spec.boot {
        for (index, module) in modules.iter().enumerate() {
            if matches!(module.content, Content::Secret(_)) {
                remove(&spec.folder.join(names::module(index)))?;
            }
        }
    }
    Ok(())
}

fn lay_out_boot(folder: &Path, boot: &Boot) -> Result<()> {
    match boot {
        Boot::Direct { kernel, modules, .. } => {
            link(kernel, &folder.join(names::KERNEL))?;
            modules.iter().enumerate().try_for_each(|(index, module)| {
                let name = folder.join(names::module(index));
                match &module.content {
                    Content::File(file) => link(file, &name),
                    Content::Secret(bytes) => write_secret(&name, bytes),
                }
            })
        }
        Boot::UefiDisk(disk) => {
            let rom = folder.join(names::FIRMWARE);
            fs::write(&rom, firmware::find()?.rom()?)
                .with_context(|| format!("cannot write {}", rom.display()))?;
            link(&disk.file, &folder.join(names::BOOT_DISK))
        }
        Boot::BiosDisk(disk) => link(&disk.file, &folder.join(names::BOOT_DISK)),
    }
}

/// systemd.system-credentials(7): `io.systemd.credential.binary:NAME=BASE64` in an SMBIOS string of type 11.
fn smbios_string(credential: &Credential) -> String {
    format!("io.systemd.credential.binary:{}={}", credential.name, STANDARD.encode(&credential.value))
}

fn link(file: &Path, name: &Path) -> Result<()> {
    let file = file.canonicalize().with_context(|| format!("cannot find {}", file.display()))?;
    remove(name)?;
    symlink(&file, name).with_context(|| format!("cannot link {}", name.display()))
}

fn write_secret(name: &Path, bytes: &[u8]) -> Result<()> {
    remove(name)?;
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(name)
        .with_context(|| format!("cannot create {}", name.display()))?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", name.display()))
}

pub(super) fn remove(name: &Path) -> Result<()> {
    match fs::remove_file(name) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", name.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{Accel, Module, Network, Pace};
    use super::*;

    fn spec(folder: &Path) -> Spec {
        let file = folder.join("a file, elsewhere");
        fs::write(&file, "x").unwrap();
        Spec {
            name: "web".to_owned(),
            folder: folder.join("machine"),
            memory_mib: 128,
            cpus: 1,
            accel: Accel::Tcg,
            lacks: Vec::new(),
            boot: Boot::Direct {
                kernel: file.clone(),
                arguments: String::new(),
                modules: vec![Module::file(&file, ""), Module::secret(b"private key".to_vec())],
            },
            disks: Vec::new(),
            network: Network::User(Vec::new()),
            pace: Pace::Free,
            variation: super::super::spec::Variation::default(),
            credentials: vec![Credential { name: "n".to_owned(), value: b"v\n".to_vec() }],
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_are_private_and_gone_once_read() {
        let root = tempfile::tempdir().unwrap();
        let spec = spec(root.path());
        lay_out(&spec).unwrap();
        lay_out(&spec).unwrap();
        let secrets = [spec.folder.join("module1"), spec.folder.join("credential0")];
        assert_eq!(fs::read_to_string(&secrets[1]).unwrap(), "io.systemd.credential.binary:n=dgo=");
        assert_eq!(mode(&spec.folder), 0o700);
        assert!(secrets.iter().all(|secret| mode(secret) == 0o600));
        clear_secrets(&spec).unwrap();
        assert!(secrets.iter().all(|secret| !secret.exists()));
        assert_eq!(fs::read_to_string(spec.folder.join("module0")).unwrap(), "x");
    }

    #[test]
    fn a_missing_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let mut spec = spec(root.path());
        spec.boot = Boot::BiosDisk(super::super::spec::Disk::read_only(&root.path().join("gone"), "root"));
        assert!(lay_out(&spec).unwrap_err().to_string().ends_with("/gone"));
    }
}
