//! The application's packed relocations (DT_RELR), which `hermit-entry` does not know: places whose content is a distance from
//! the program's beginning, and becomes an address.
//!
//! It reads the file, and writes the image alone. Invariant: no place outside the image's segments is written.
//! The form is that of the generic ABI for ELF (gABI, "Relative relocation table").

use core::mem::MaybeUninit;

use crate::Refusal;
use crate::elf::Program;

/// Where the table lies, and how long it is, in the dynamic section (gABI).
const DT_RELR: u64 = 36;
const DT_RELRSZ: u64 = 35;
/// A word's length, in bytes.
const WORD: u64 = 8;
/// So many words a bitmap speaks of: one of its bits says that it is one.
const BITS: u64 = 63;
const BAD: Refusal = Refusal::ApplicationUnfit("has bad relocations");

/// Adds `start`, where the image lies, to the content of each place.
///
/// # Errors
/// When a place lies outside the segments' content, or the table does.
pub fn apply(program: &Program<'_>, image: &mut [MaybeUninit<u8>], start: u64) -> Result<(), Refusal> {
    let Some(table) = program.dynamic(DT_RELR) else { return Ok(()) };
    let bytes = program.dynamic(DT_RELRSZ).ok_or(BAD)?;
    let mut next = 0;
    for entry in program.content(table, bytes).ok_or(BAD)?.chunks_exact(WORD as usize) {
        let entry = u64::from_le_bytes(entry.try_into().map_err(|_| BAD)?);
        if entry & 1 == 0 {
            relocate(program, image, start, entry)?;
            next = entry.checked_add(WORD).ok_or(BAD)?;
        } else {
            for place in (0..BITS).filter(|bit| entry >> (bit + 1) & 1 == 1) {
                relocate(program, image, start, next.checked_add(place * WORD).ok_or(BAD)?)?;
            }
            next = next.checked_add(BITS * WORD).ok_or(BAD)?;
        }
    }
    Ok(())
}

fn relocate(
    program: &Program<'_>,
    image: &mut [MaybeUninit<u8>],
    start: u64,
    place: u64,
) -> Result<(), Refusal> {
    let distance = program.content(place, WORD).and_then(|word| word.try_into().ok()).ok_or(BAD)?;
    let address = start.wrapping_add(u64::from_le_bytes(distance)).to_le_bytes();
    let first = usize::try_from(place).map_err(|_| BAD)?;
    let word = image.get_mut(first..).and_then(|rest| rest.get_mut(..WORD as usize)).ok_or(BAD)?;
    word.iter_mut().zip(address).for_each(|(to, byte)| {
        to.write(byte);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::{File, file, put};

    /// The table lies at 512 of the first segment, the dynamic section at 768.
    const TABLE: usize = 512;
    const DYNAMIC: usize = 768;
    const START: u64 = 0x20_0000;

    fn with_table(entries: &[u64]) -> File {
        let mut file = file();
        entries.iter().enumerate().for_each(|(n, entry)| put(&mut file, TABLE + 8 * n, &entry.to_le_bytes()));
        let section = [(DT_RELR, TABLE as u64), (DT_RELRSZ, 8 * entries.len() as u64)];
        for (n, (tag, value)) in section.into_iter().enumerate() {
            put(&mut file, DYNAMIC + 16 * n, &u64::to_le_bytes(tag));
            put(&mut file, DYNAMIC + 16 * n + 8, &u64::to_le_bytes(value));
        }
        file
    }

    fn applied(file: &File) -> Result<[u64; 128], Refusal> {
        let program = Program::parse(&file.0).unwrap();
        let mut image = [MaybeUninit::new(0); 0x3001];
        apply(&program, &mut image, START)?;
        // Safety: every byte was given a value above, or by `apply`.
        let byte = |at: usize| unsafe { image[at].assume_init() };
        Ok(core::array::from_fn(|n| {
            u64::from_le_bytes(core::array::from_fn(|byte_at| byte(8 * n + byte_at)))
        }))
    }

    /// The second bitmap's first word is the 64th behind the place, which is the dynamic section's first.
    #[test]
    fn places_come_singly_and_by_bits() {
        let mut file = with_table(&[256, 1 | 1 << 1 | 1 << 3, 1 | 1 << 1]);
        for (place, distance) in [(256, 0x100_u64), (264, 0x200), (272, 0x300), (280, 0x400)] {
            put(&mut file, place, &distance.to_le_bytes());
        }
        let words = applied(&file).unwrap();
        assert_eq!(words[32..36], [START + 0x100, START + 0x200, 0, START + 0x400]);
        assert_eq!(words[DYNAMIC / 8], START + DT_RELR);
        assert_eq!(words.iter().filter(|word| **word != 0).count(), 4);
    }

    #[test]
    fn a_program_without_a_table_is_left_as_it_is() {
        assert_eq!(applied(&file()).unwrap(), [0; 128]);
    }

    #[test]
    fn places_outside_the_segments_are_refused() {
        for entries in [&[1020][..], &[0x1000], &[u64::MAX - 1], &[960, u64::MAX], &[u64::MAX - 7, u64::MAX]]
        {
            assert_eq!(applied(&with_table(entries)).unwrap_err(), BAD, "{entries:x?}");
        }
        let mut file = with_table(&[256]);
        put(&mut file, DYNAMIC + 8, &u64::MAX.to_le_bytes());
        assert_eq!(applied(&file).unwrap_err(), BAD);
    }
}
