//! The web machine's disk: loader, application and boot arguments on one EFI system partition.
//!
//! It boots by UEFI, and by BIOS through syslinux. Invariant: no secret is on it; a machine's configuration is
//! placed on that machine's own copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};

use crate::disk::{self, BOOTS_BIOS, Content, Disk, Esp, Partition, Syslinux, kind};
use crate::loader::Loader;
use crate::{Layout, command, layout, port, progress};

/// The largest disk: what a deploy copies and a cloud stores.
const LIMIT_BYTES: u64 = 16 << 20;
/// The largest configuration file, by the loader's limit.
const CONFIG_LIMIT_BYTES: usize = 64 * 1024;
/// What the kernel and the service are started with.
pub const ARGUMENTS: &str = "-- /boot/config.toml";

const APPLICATION: &str = "bootstack/application";
const BOOT_ARGUMENTS: &str = "bootstack/boot.args";
const CONFIG: &str = "bootstack/config.toml";

/// What a BIOS starts: our loader with three modules. The second label is for a disk whose files are missing:
/// without modules the loader refuses and powers off, where syslinux would wait at its prompt.
const SYSLINUX_CONFIG: &str = "\
DEFAULT web
PROMPT 0
TIMEOUT 1
ONTIMEOUT refuse
LABEL web
  COM32 mboot.c32
  APPEND /bootstack/loader --- /bootstack/application --- /bootstack/boot.args --- /bootstack/config.toml
LABEL refuse
  COM32 mboot.c32
  APPEND /bootstack/loader
";

/// The finished images and the pieces that direct boot takes.
#[derive(Clone, Debug)]
pub struct WebImage {
    /// The raw disk.
    pub raw: PathBuf,
    /// The same disk for clouds that take qcow2.
    pub qcow2: PathBuf,
    /// The sealed application, the first module of a direct boot.
    pub application: PathBuf,
    /// The multiboot loader, the kernel of a direct boot.
    pub multiboot: PathBuf,
}

/// Makes the disk, unless it is made of these pieces already.
///
/// # Errors
/// When a piece cannot be read, a tool is missing, or the disk is larger than 16 MiB.
pub fn assemble(layout: &Layout, loader: &Loader, application: &Path) -> Result<WebImage> {
    let step = progress::start("web image");
    let images = layout.images();
    let image = WebImage {
        raw: images.join("web.raw"),
        qcow2: images.join("web.qcow2"),
        application: layout.build("web").join("application"),
        multiboot: loader.multiboot.clone(),
    };
    let sealed = sealed(application)?;
    layout::replace_with(&image.application, &sealed)?;
    let syslinux = Syslinux::find()?;
    let esp = esp(loader, sealed, &syslinux)?.build()?;
    let stamp = layout.build("web").join("made-of");
    let made_of = port::sum(&esp);
    if !(image.raw.exists()
        && image.qcow2.exists()
        && fs::read_to_string(&stamp).is_ok_and(|old| old == made_of))
    {
        write(layout, &image, &esp, &syslinux)?;
        layout::replace_with(&stamp, made_of.as_bytes())?;
    }
    step.done(progress::size(fs::metadata(&image.raw)?.len()));
    Ok(image)
}

/// The application alone, sealed at `to`, for a machine that QEMU boots directly.
///
/// # Errors
/// When the application cannot be read, or `to` cannot be written.
pub fn seal_application(application: &Path, to: &Path) -> Result<()> {
    layout::replace_with(to, &sealed(application)?)
}

/// The application's file with the seal that the loader asks for.
fn sealed(application: &Path) -> Result<Vec<u8>> {
    let mut bytes = Content::File(application.to_owned()).read()?;
    bytes.extend(seal::trailer(&bytes));
    Ok(bytes)
}

fn esp(loader: &Loader, application: Vec<u8>, syslinux: &Syslinux) -> Result<Esp> {
    let mut arguments = format!("{ARGUMENTS}\n").into_bytes();
    arguments.extend(seal::line(&arguments));
    Ok(Esp::new("BOOTSTACK")
        .file("EFI/BOOT/BOOTX64.EFI", Content::File(loader.efi.clone()))
        .file("bootstack/loader", Content::File(loader.multiboot.clone()))
        .file(APPLICATION, Content::Bytes(application))
        .file(BOOT_ARGUMENTS, Content::Bytes(arguments))
        // Empty: a BIOS disk's list of modules is fixed, and a machine's own file takes this one's place.
        .file(CONFIG, Content::Bytes(Vec::new()))
        .file("syslinux.cfg", Content::Bytes(SYSLINUX_CONFIG.into()))
        .file("mboot.c32", syslinux.module("mboot.c32")?)
        .file("libcom32.c32", syslinux.module("libcom32.c32")?))
}

fn write(layout: &Layout, image: &WebImage, esp: &[u8], syslinux: &Syslinux) -> Result<()> {
    let bootable = layout.build("web").join("esp.fat");
    layout::replace(&bootable, |temporary| {
        fs::write(temporary, esp).with_context(|| format!("cannot write {}", temporary.display()))?;
        syslinux.install(temporary)
    })?;
    let partition = Partition {
        label: "bootstack web".to_owned(),
        kind: kind::EFI,
        attributes: BOOTS_BIOS,
        content: Content::File(bootable),
    };
    let disk = Disk { partitions: vec![partition], boot_code: Some(syslinux.boot_code()?) };
    layout::replace(&image.raw, |temporary| {
        disk.write(temporary)?;
        let size = fs::metadata(temporary)?.len();
        ensure!(size <= LIMIT_BYTES, "the web image has {}: at most 16 MiB", progress::size(size));
        Ok(())
    })?;
    layout::replace(&image.qcow2, |temporary| {
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-c", "-f", "raw", "-O", "qcow2"]).arg(&image.raw).arg(temporary);
        command::run(&mut convert)
    })
}

/// A machine's configuration file as the loader takes it: with a seal, so that damage is found. It stays TOML.
///
/// # Errors
/// When it is larger than 64 KiB.
pub fn sealed_config(config: &[u8]) -> Result<Vec<u8>> {
    let mut text = config.to_owned();
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text.extend(seal::line(&text));
    ensure!(
        text.len() <= CONFIG_LIMIT_BYTES,
        "a configuration of {} bytes: the loader takes at most 64 KiB",
        config.len()
    );
    Ok(text)
}

/// Writes other boot arguments onto a raw disk: `[kernel arguments] -- [application arguments]`.
///
/// # Errors
/// When `disk` is not a sound web disk.
pub fn place_arguments(disk: &Path, arguments: &str) -> Result<()> {
    let mut line = format!("{arguments}\n").into_bytes();
    line.extend(seal::line(&line));
    disk::write_file(disk, BOOT_ARGUMENTS, &line)
}

/// Makes another application of the one on a raw disk, sealed like it.
///
/// # Errors
/// When `disk` is not a sound web disk.
pub fn change_application(disk: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let sealed = disk::read_file(disk, APPLICATION)?;
    let sealed = sealed.with_context(|| format!("{} has no {APPLICATION}", disk.display()))?;
    let opened =
        seal::open(&sealed).map_err(|broken| anyhow!("{}: {APPLICATION} {broken}", disk.display()))?;
    let mut bytes = opened.to_owned();
    change(&mut bytes);
    bytes.extend(seal::trailer(&bytes));
    disk::write_file(disk, APPLICATION, &bytes)
}

/// Writes a machine's configuration onto its own copy of the raw disk, in place of the one that is there.
///
/// # Errors
/// When it is larger than 64 KiB, or `disk` is not a sound web disk.
pub fn place_config(disk: &Path, config: &[u8]) -> Result<()> {
    let text = sealed_config(config)?;
    let is_web = disk::read_file(disk, BOOT_ARGUMENTS)?.is_some();
    ensure!(is_web, "{} is not a disk of a web machine: it has no {BOOT_ARGUMENTS}", disk.display());
    disk::write_file(disk, CONFIG, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(folder: &Path, files: &[&str]) -> PathBuf {
        let path = folder.join("web disk.raw");
        let esp = files.iter().fold(Esp::new("TEST"), |esp, name| esp.file(name, Content::Bytes(vec![1; 9])));
        let content = Content::Bytes(esp.build().unwrap());
        let partition = Partition { label: "boot".into(), kind: kind::EFI, attributes: 0, content };
        Disk { partitions: vec![partition], boot_code: None }.write(&path).unwrap();
        path
    }

    #[test]
    fn a_placed_configuration_opens_as_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path(), &[BOOT_ARGUMENTS, CONFIG]);
        place_config(&disk, b"host = \"a much longer name that goes away again\"").unwrap();
        place_config(&disk, b"host = \"www.foobar.com\"").unwrap();
        let placed = disk::read_file(&disk, CONFIG).unwrap().unwrap();
        assert_eq!(seal::open_text(&placed), Ok(&b"host = \"www.foobar.com\"\n"[..]));
        assert!(toml::from_slice::<toml::Table>(&placed).is_ok());
    }

    #[test]
    fn a_configuration_that_the_loader_would_refuse_is_not_placed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path(), &[BOOT_ARGUMENTS, CONFIG]);
        let error = place_config(&disk, &[b'#'; 65_500]).unwrap_err().to_string();
        assert_eq!(error, "a configuration of 65500 bytes: the loader takes at most 64 KiB");
        assert_eq!(disk::read_file(&disk, CONFIG).unwrap().unwrap(), [1; 9]);
    }

    #[test]
    fn a_foreign_disk_gets_no_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path(), &["vmlinuz"]);
        let error = place_config(&disk, b"").unwrap_err().to_string();
        assert!(error.contains("is not a disk of a web machine"), "{error}");
        assert_eq!(disk::read_file(&disk, CONFIG).unwrap(), None);
    }

    #[test]
    fn a_sealed_application_opens_only_undamaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("application");
        fs::write(&path, (0..=255).cycle().take(10_001).collect::<Vec<u8>>()).unwrap();
        let whole = sealed(&path).unwrap();
        assert_eq!(seal::open(&whole).unwrap(), fs::read(&path).unwrap());
        for place in (0..whole.len()).step_by(97).chain(whole.len() - 40..whole.len()) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            assert!(seal::open(&damaged).is_err(), "byte {place}");
        }
        assert_eq!(seal::open(&whole[..whole.len() - 1]), Err(seal::Broken::Unsealed));
    }
}
