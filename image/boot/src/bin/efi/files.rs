//! Files of the EFI system partition. Invariant: no file is read beyond the limit that it has.

use core::slice;

use boot::Refusal;
use boot::plan::REACH_BYTES;
use boot::ranges::PAGE_BYTES;
use uefi::CStr16;
use uefi::boot::{AllocateType, MemoryType, allocate_pages};
use uefi::proto::media::file::{Directory, File, FileAttribute, FileMode, RegularFile};

/// The largest file that is read: as for an application's image in memory.
const FILE_LIMIT_BYTES: u64 = boot::elf::IMAGE_LIMIT_BYTES;

/// The file is longer than the place for it, or cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// The root folder of the partition that the loader was started from.
pub(crate) fn boot_disk() -> Result<Directory, Refusal> {
    let system = uefi::boot::get_image_file_system(uefi::boot::image_handle());
    let volume = system.and_then(|mut system| system.open_volume());
    volume.map_err(|_| {
        Refusal::MachineUnfit("the boot disk cannot be read: start the machine from its own disk")
    })
}

fn open(disk: &mut Directory, path: &CStr16) -> Option<RegularFile> {
    disk.open(path, FileMode::Read, FileAttribute::empty()).ok()?.into_regular_file()
}

fn size_bytes(file: &mut RegularFile) -> uefi::Result<u64> {
    file.set_position(RegularFile::END_OF_FILE)?;
    let size = file.get_position()?;
    file.set_position(0)?;
    Ok(size)
}

fn read_whole<'a>(file: &mut RegularFile, place: &'a mut [u8], len: usize) -> Result<&'a [u8], Unreadable> {
    let place = place.get_mut(..len).ok_or(Unreadable)?;
    match file.read(place) {
        Ok(count) if count == len => Ok(place),
        _ => Err(Unreadable),
    }
}

/// Reads a file if there is one.
pub(crate) fn read_into<'a>(
    disk: &mut Directory,
    path: &CStr16,
    place: &'a mut [u8],
) -> Result<Option<&'a [u8]>, Unreadable> {
    let Some(mut file) = open(disk, path) else { return Ok(None) };
    let len = size_bytes(&mut file).ok().and_then(|size| usize::try_from(size).ok()).ok_or(Unreadable)?;
    read_whole(&mut file, place, len).map(Some)
}

/// Checks the loader's own file, for the firmware does not. A loader that was started from elsewhere is not asked.
pub(crate) fn check_loader(disk: &mut Directory) -> Result<(), Refusal> {
    let Some(mut file) = open(disk, uefi::cstr16!(r"\EFI\BOOT\BOOTX64.EFI")) else { return Ok(()) };
    let file = read_to_memory(&mut file, Refusal::LoaderBroken)?;
    seal::open(file).map(|_| ()).map_err(|_| Refusal::LoaderBroken)
}

/// Reads the application's file.
pub(crate) fn read_application(disk: &mut Directory) -> Result<&'static [u8], Refusal> {
    let mut file = open(disk, uefi::cstr16!(r"\bootstack\application")).ok_or(Refusal::ApplicationMissing)?;
    read_to_memory(&mut file, Refusal::ApplicationUnreadable)
}

/// Reads a file into memory of its own, below 4 GiB.
fn read_to_memory(file: &mut RegularFile, unreadable: Refusal) -> Result<&'static [u8], Refusal> {
    let size = size_bytes(file).ok().filter(|size| *size <= FILE_LIMIT_BYTES).ok_or(unreadable)?;
    let (len, pages) = (size as usize, size.div_ceil(PAGE_BYTES).max(1) as usize);
    let kind = AllocateType::MaxAddress(REACH_BYTES - 1);
    let small = Refusal::MemoryTooSmall { has_mib: crate::memory::now()?.bytes() >> 20, needs_mib: 128 };
    let start = allocate_pages(kind, MemoryType::LOADER_DATA, pages).map_err(|_| small)?;
    // Safety: the firmware has just given these pages to the loader; zeroes make them a valid slice.
    let place = unsafe {
        start.as_ptr().write_bytes(0, len);
        slice::from_raw_parts_mut(start.as_ptr(), len)
    };
    read_whole(file, place, len).map_err(|Unreadable| unreadable)
}
