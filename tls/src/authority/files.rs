//! The development CA's folder: `ca.pem` for everybody, `ca.key` (mode 0600) for its owner, and a lock.
//!
//! Invariant: `ca.pem` appears last and by rename, so a folder with a certificate has its key too.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::{Error, Key};

pub(super) const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const LOCK: &str = "lock";

/// Held while the returned file is open; the kernel lets go of it when a process dies.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    fs::create_dir_all(folder).map_err(at("create", folder))?;
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(at("create", &path))?;
    file.lock().map_err(at("lock", &path))?;
    Ok(file)
}

/// The CA in this folder, or `None` where none was finished.
pub(super) fn read(folder: &Path) -> Result<Option<(String, Key)>, Error> {
    let path = folder.join(CERTIFICATE);
    if !path.try_exists().map_err(at("read", &path))? {
        return Ok(None);
    }
    let certificate = fs::read_to_string(&path).map_err(at("read", &path))?;
    let key_path = folder.join(KEY);
    let key = fs::read_to_string(&key_path).map_err(at("read", &key_path))?;
    let damaged =
        || Error::Authority { folder: folder.to_owned(), reason: "ca.key holds no P-256 key".to_owned() };
    Ok(Some((certificate, Key::from_pem(&key).ok_or_else(damaged)?)))
}

pub(super) fn write(folder: &Path, certificate: &str, key: &Key) -> Result<(), Error> {
    place(folder, KEY, &key.to_pem()?, 0o600)?;
    place(folder, CERTIFICATE, certificate, 0o644)
}

fn place(folder: &Path, name: &str, text: &str, mode: u32) -> Result<(), Error> {
    let path = folder.join(name);
    let mut builder = tempfile::Builder::new();
    set_mode(&mut builder, mode);
    let mut file = builder.tempfile_in(folder).map_err(at("write", &path))?;
    file.write_all(text.as_bytes()).map_err(at("write", &path))?;
    file.as_file().sync_all().map_err(at("write", &path))?;
    file.persist(&path).map_err(|error| at("write", &path)(error.error))?;
    Ok(())
}

#[cfg(unix)]
fn set_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn set_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

fn at(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}
