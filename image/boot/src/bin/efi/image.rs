//! The loader's own image, as the firmware has put it into memory.
//!
//! Invariant: every section lies within the image and is listed with the access that the linker gave it.

use core::slice;

use boot::Refusal;
use boot::elf::Access;
use boot::handoff::Part;
use boot::place::Place;
use uefi::proto::loaded_image::LoadedImage;

/// More sections than a linker makes of a Rust program.
const LIMIT: usize = 16;
/// Section characteristics (PE/COFF specification, section flags).
const EXECUTE: u32 = 0x2000_0000;
const WRITE: u32 = 0x8000_0000;

static PARTS: Place<[Part; LIMIT]> =
    Place::new([const { (0..0, Access { write: false, execute: false }) }; LIMIT]);

/// The image's parts: its headers, then its sections.
pub(crate) fn parts() -> Result<&'static [Part], Refusal> {
    const UNFIT: Refusal =
        Refusal::MachineUnfit("the loader's own image is damaged: write the image to this disk again");
    let loaded = uefi::boot::open_protocol_exclusive::<LoadedImage>(uefi::boot::image_handle());
    let (base, size) = loaded.map_err(|_| UNFIT)?.info();
    // Safety: the firmware says that the image lies here, and it stays.
    let image = unsafe { slice::from_raw_parts(base.cast::<u8>(), size as usize) };
    collect(image, PARTS.take()).ok_or(UNFIT)
}

fn collect(image: &'static [u8], parts: &'static mut [Part]) -> Option<&'static [Part]> {
    let base = image.as_ptr() as u64;
    let header = number(image, 0x3c, 4)? as usize;
    let count = number(image, header + 6, 2)? as usize;
    let table = header + 24 + number(image, header + 20, 2)? as usize;
    let (first, sections) = parts.get_mut(..=count)?.split_first_mut()?;
    *first = (base..base + 1, Access::default());
    for (place, part) in (table..).step_by(40).zip(sections) {
        let start = number(image, place + 12, 4)?;
        let end = start + number(image, place + 8, 4)?;
        let flags = number(image, place + 36, 4)? as u32;
        let access = Access { write: flags & WRITE != 0, execute: flags & EXECUTE != 0 };
        *part = (base + start..base + end, access);
        image.get(start as usize..end as usize)?;
    }
    parts.get(..=count)
}

fn number(image: &[u8], place: usize, len: usize) -> Option<u64> {
    let bytes = image.get(place..place + len)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
