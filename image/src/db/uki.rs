//! The UEFI application that boots Linux: systemd's stub with kernel, initrd and command line as further sections.
//!
//! The sections' names are those of the unified kernel image specification; the layout is the PE format's.
//! Invariant: the stub's own bytes stay as they are but for the counts in its header.

use anyhow::{Context, Result, ensure};

/// Offset of the PE header's address in the DOS header (PE format, "MS-DOS stub").
const PE_POINTER: usize = 0x3c;
/// Size of one entry in the section table (PE format, "section table").
const SECTION_BYTES: usize = 40;
/// Initialised data that may be read.
const DATA_READ: u32 = 0x4000_0040;
/// Sections begin on whole pages in memory.
const PAGE_BYTES: u32 = 4096;

/// Adds `sections` (name of at most 8 bytes, content) to the stub.
pub(super) fn unify(stub: &[u8], sections: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut image = Image::read(stub.to_vec())?;
    for (name, content) in sections {
        image.add(name, content).with_context(|| format!("cannot add section {name} to systemd's stub"))?;
    }
    image.finish()
}

struct Image {
    bytes: Vec<u8>,
    /// Offset of the COFF header, after the signature `PE\0\0`.
    coff: usize,
    /// First address in memory after all sections.
    end: u32,
}

impl Image {
    fn read(bytes: Vec<u8>) -> Result<Self> {
        let pe = get(&bytes, PE_POINTER)? as usize;
        ensure!(bytes.get(pe..pe + 4) == Some(b"PE\0\0"), "systemd's stub is no PE file");
        let mut image = Self { bytes, coff: pe + 4, end: 0 };
        for index in 0..image.count()? {
            let header = image.table()? + index * SECTION_BYTES;
            let (size, address) = (get(&image.bytes, header + 8)?, get(&image.bytes, header + 12)?);
            image.end = image.end.max((address + size).next_multiple_of(PAGE_BYTES));
        }
        Ok(image)
    }

    fn count(&self) -> Result<usize> {
        Ok(usize::from(get16(&self.bytes, self.coff + 2)?))
    }

    fn optional(&self) -> usize {
        self.coff + 20
    }

    fn table(&self) -> Result<usize> {
        Ok(self.optional() + usize::from(get16(&self.bytes, self.coff + 16)?))
    }

    fn file_alignment(&self) -> Result<usize> {
        Ok(get(&self.bytes, self.optional() + 36)? as usize)
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let header = self.table()? + self.count()? * SECTION_BYTES;
        let headers_bytes = get(&self.bytes, self.optional() + 60)? as usize;
        ensure!(header + SECTION_BYTES <= headers_bytes, "its header has no room for more sections");
        let alignment = self.file_alignment()?;
        let start = self.bytes.len().next_multiple_of(alignment);
        let padded = content.len().next_multiple_of(alignment);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(start + padded, 0);
        let size = u32::try_from(content.len())?;
        let mut entry = [0; SECTION_BYTES];
        entry.iter_mut().zip(name.bytes().take(8)).for_each(|(to, from)| *to = from);
        let fields = [
            (8, size),
            (12, self.end),
            (16, u32::try_from(padded)?),
            (20, u32::try_from(start)?),
            (36, DATA_READ),
        ];
        for (at, value) in fields {
            entry[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        self.bytes[header..header + SECTION_BYTES].copy_from_slice(&entry);
        self.end = (self.end + size).next_multiple_of(PAGE_BYTES);
        let count = u16::try_from(self.count()? + 1)?;
        self.bytes[self.coff + 2..self.coff + 4].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }

    /// Sets the size in memory; the checksum is left at zero, which firmware does not look at.
    fn finish(mut self) -> Result<Vec<u8>> {
        let optional = self.optional();
        self.bytes[optional + 56..optional + 60].copy_from_slice(&self.end.to_le_bytes());
        self.bytes[optional + 64..optional + 68].fill(0);
        Ok(self.bytes)
    }
}

fn get(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).context("systemd's stub is too short")?;
    Ok(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

fn get16(bytes: &[u8], at: usize) -> Result<u16> {
    let word = bytes.get(at..at + 2).context("systemd's stub is too short")?;
    Ok(u16::from_le_bytes([word[0], word[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest header with one section of 0x10 bytes at 0x1000.
    fn stub() -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[PE_POINTER] = 0x40;
        bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
        let (coff, optional) = (0x44, 0x58);
        bytes[coff + 2] = 1;
        bytes[coff + 16] = 112;
        bytes[optional + 36..optional + 40].copy_from_slice(&0x200u32.to_le_bytes());
        bytes[optional + 60..optional + 64].copy_from_slice(&0x200u32.to_le_bytes());
        let section = optional + 112;
        bytes[section + 8..section + 12].copy_from_slice(&0x10u32.to_le_bytes());
        bytes[section + 12..section + 16].copy_from_slice(&0x1000u32.to_le_bytes());
        bytes
    }

    #[test]
    fn a_section_follows_the_last_one_in_the_file_and_in_memory() {
        let unified = unify(&stub(), &[(".cmdline", b"quiet"), (".linux", &[7; 0x1001])]).unwrap();
        let image = Image::read(unified.clone()).unwrap();
        assert_eq!((image.count().unwrap(), image.end), (3, 0x5000));
        let second = image.table().unwrap() + SECTION_BYTES;
        assert_eq!(&unified[second..second + 8], b".cmdline");
        assert_eq!(get(&unified, second + 12).unwrap(), 0x2000);
        let start = get(&unified, second + 20).unwrap() as usize;
        assert_eq!(&unified[start..start + 5], b"quiet");
        assert_eq!(get(&unified, image.optional() + 56).unwrap(), 0x5000);
    }

    #[test]
    fn a_full_header_is_refused() {
        let many = [(".a", b"x".as_slice()); 8];
        assert!(format!("{:#}", unify(&stub(), &many).unwrap_err()).contains("no room"));
    }
}
