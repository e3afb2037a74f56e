//! What the loader must know of the application's ELF file before `hermit-entry` loads it.
//!
//! `hermit-entry` trusts its input and panics on a malformed file; this checks all that it relies on for memory.
//! Invariant: an accepted program's segments lie within the file and within [`Program::image_bytes`].

use goblin::elf64::header::{ELFCLASS64, ELFDATA2LSB, ELFMAG, ET_DYN, Header, SIZEOF_EHDR};
use goblin::elf64::program_header::{PF_W, PF_X, PT_DYNAMIC, PT_LOAD, ProgramHeader};

use crate::{Range, Refusal};

/// The largest program: a bound on the page tables that are set aside.
pub const IMAGE_LIMIT_BYTES: u64 = 64 << 20;

/// A checked program.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    file: &'a [u8],
    headers: &'a [ProgramHeader],
    /// What it takes in memory, from its first byte to its last.
    pub image_bytes: u64,
}

/// What a page of memory may be used for, besides reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// It may be written.
    pub write: bool,
    /// It may be executed.
    pub execute: bool,
}

impl<'a> Program<'a> {
    /// Checks `file`.
    ///
    /// # Errors
    /// When it is no position-independent program for this processor, or contradicts itself.
    pub fn parse(file: &'a [u8]) -> Result<Self, Refusal> {
        let header: &Header =
            plain::from_bytes(file).map_err(|_| Refusal::ApplicationUnfit("is too short"))?;
        let fits = header.e_ident.starts_with(ELFMAG)
            && header.e_ident[4] == ELFCLASS64
            && header.e_ident[5] == ELFDATA2LSB
            && header.e_machine == goblin::elf::header::EM_X86_64
            && usize::from(header.e_ehsize) == SIZEOF_EHDR;
        if !fits {
            return Err(Refusal::ApplicationUnfit("is no program for x86-64"));
        }
        if header.e_type != ET_DYN {
            return Err(Refusal::ApplicationUnfit("is not position-independent"));
        }
        let headers = headers(file, header).ok_or(Refusal::ApplicationUnfit("has no program headers"))?;
        let image_bytes = image_bytes(file, headers).ok_or(Refusal::ApplicationUnfit("has bad segments"))?;
        Ok(Self { file, headers, image_bytes })
    }

    /// What the file has for `bytes` of memory from `place` on, in distances from the program's beginning; `None` where it has
    /// nothing for them.
    pub fn content(&self, place: u64, bytes: u64) -> Option<&'a [u8]> {
        let end = place.checked_add(bytes)?;
        let holds =
            |header: &&ProgramHeader| place >= header.p_vaddr && end <= header.p_vaddr + header.p_filesz;
        let header = loaded(self.headers).find(holds)?;
        let first = usize::try_from(place - header.p_vaddr + header.p_offset).ok()?;
        self.file.get(first..)?.get(..usize::try_from(bytes).ok()?)
    }

    /// What the dynamic section says of this.
    pub fn dynamic(&self, tag: u64) -> Option<u64> {
        let section = self.headers.iter().find(|header| header.p_type == PT_DYNAMIC)?;
        let entries = self.content(section.p_vaddr, section.p_filesz)?.as_chunks::<16>().0;
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        entries
            .iter()
            .map(|entry| (word(&entry[..8]), word(&entry[8..])))
            .find(|(found, _)| *found == tag)
            .map(|(_, value)| value)
    }

    /// The segments, as ranges of memory once the program lies at `start`.
    pub fn segments(&self, start: u64) -> impl Iterator<Item = (Range, Access)> + Clone + 'a {
        loaded(self.headers).map(move |header| {
            let range = start + header.p_vaddr..start + header.p_vaddr + header.p_memsz;
            let access = Access { write: header.p_flags & PF_W != 0, execute: header.p_flags & PF_X != 0 };
            (range, access)
        })
    }
}

fn loaded(headers: &[ProgramHeader]) -> impl Iterator<Item = &ProgramHeader> + Clone {
    headers.iter().filter(|header| header.p_type == PT_LOAD)
}

fn headers<'a>(file: &'a [u8], header: &Header) -> Option<&'a [ProgramHeader]> {
    let sections = usize::try_from(header.e_shoff).ok()?.checked_add(usize::from(header.e_shnum) * 64)?;
    let found = file.get(usize::try_from(header.e_phoff).ok()?..)?;
    let found = plain::slice_from_bytes_len(found, usize::from(header.e_phnum)).ok()?;
    (sections <= file.len() && header.e_shoff.is_multiple_of(8)).then_some(found)
}

/// The end of the last segment, if all segments are in order, without overlap, and within their limits.
fn image_bytes(file: &[u8], headers: &[ProgramHeader]) -> Option<u64> {
    let mut end = 0;
    for header in loaded(headers) {
        let in_file = header.p_offset.checked_add(header.p_filesz)? <= file.len() as u64;
        let in_order = header.p_vaddr >= end && (end > 0 || header.p_vaddr == 0);
        if !in_file || !in_order || header.p_filesz > header.p_memsz {
            return None;
        }
        end = header.p_vaddr.checked_add(header.p_memsz)?;
    }
    (end > 0 && end <= IMAGE_LIMIT_BYTES).then_some(end)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const HEADERS: usize = 3;

    /// A file of 1 KiB, aligned as files are in memory: two segments, code at 0 and data at 0x2000, and a dynamic section
    /// of 64 bytes at 768.
    #[repr(C, align(4096))]
    pub(crate) struct File(pub(crate) [u8; 1024]);

    pub(crate) fn put(file: &mut File, place: usize, bytes: &[u8]) {
        file.0[place..place + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn file() -> File {
        let mut file = File([0; 1024]);
        put(&mut file, 0, b"\x7fELF\x02\x01\x01");
        put(&mut file, 16, &[3, 0, 62, 0]);
        put(&mut file, 32, &64u64.to_le_bytes());
        put(&mut file, 52, &[64, 0, 56, 0, HEADERS as u8]);
        let headers = [
            (1, 5, [0, 0, 0, 1024, 1024]),
            (1, 6, [0, 0x2000, 0, 16, 0x1001]),
            (2, 4, [768, 768, 0, 64, 64]),
        ];
        for (n, (kind, flags, words)) in headers.into_iter().enumerate() {
            let place = 64 + 56 * n;
            put(&mut file, place, &[kind, 0, 0, 0, flags]);
            words
                .iter()
                .enumerate()
                .for_each(|(n, word)| put(&mut file, place + 8 + 8 * n, &u64::to_le_bytes(*word)));
        }
        file
    }

    #[test]
    fn segments_come_with_their_place_and_access() {
        let file = file();
        let program = Program::parse(&file.0).unwrap();
        assert_eq!(program.image_bytes, 0x3001);
        let [code, data] = [0, 1].map(|n| program.segments(0x20_0000).nth(n).unwrap());
        assert_eq!(code, (0x20_0000..0x20_0400, Access { write: false, execute: true }));
        assert_eq!(data, (0x20_2000..0x20_3001, Access { write: true, execute: false }));
    }

    #[test]
    fn segments_that_leave_the_file_or_overlap_are_refused() {
        // The second segment's offset, address and sizes.
        for place in [128, 136, 152, 160] {
            let mut file = file();
            file.0[place..place + 8].copy_from_slice(&(u64::MAX - 7).to_le_bytes());
            let refused = Program::parse(&file.0).unwrap_err();
            assert_eq!(refused, Refusal::ApplicationUnfit("has bad segments"), "field at {place}");
        }
        let mut file = file();
        file.0[136..144].copy_from_slice(&512u64.to_le_bytes());
        assert_eq!(Program::parse(&file.0).unwrap_err(), Refusal::ApplicationUnfit("has bad segments"));
    }

    #[test]
    fn no_changed_byte_makes_it_panic() {
        for place in 0..232 {
            for bit in 0..8 {
                let mut file = file();
                file.0[place] ^= 1 << bit;
                if let Ok(program) = Program::parse(&file.0) {
                    assert!(program.image_bytes <= IMAGE_LIMIT_BYTES);
                    assert!(program.segments(0x20_0000).all(|(range, _)| range.start <= range.end));
                    assert!(program.dynamic(1).is_none_or(|value| value == 0));
                }
            }
        }
    }
}
