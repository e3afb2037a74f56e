//! Tells the db machine that a volume was made blank a moment ago.
//!
//! The machine reads a volume from end to end before it calls it blank, which takes seconds for each GiB under emulation.
//! Who has just made the file knows: the block that says so is the one that the machine itself leaves while it formats.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;

/// The words of `image/linux/root/usr/lib/bootstack/volume`.
const INTENT: &[u8] = b"bootstack: this volume was blank and is being formatted\n";
/// The machine reads the last whole block of this size.
const BLOCK_BYTES: u64 = 4096;

/// Marks a volume that holds nothing and has its final size.
///
/// # Errors
/// When the file cannot be written.
pub fn mark_blank(volume: &File) -> Result<()> {
    let at = last_block(volume)?;
    volume.write_all_at(INTENT, at)
}

/// Whether the volume is marked and has no superblock, so that nothing of worth can be in it. The mark alone would not
/// do: a volume in use may by chance end with a row that holds these words.
///
/// # Errors
/// When the file cannot be read.
pub fn is_marked_blank(volume: &File) -> Result<bool> {
    if volume.metadata()?.len() < BLOCK_BYTES {
        return Ok(false);
    }
    let (mut first, mut last) = ([0; BLOCK_BYTES as usize], [0; INTENT.len()]);
    volume.read_exact_at(&mut first, 0)?;
    volume.read_exact_at(&mut last, last_block(volume)?)?;
    Ok(last == INTENT && first.iter().all(|byte| *byte == 0))
}

fn last_block(volume: &File) -> Result<u64> {
    Ok((volume.metadata()?.len() / BLOCK_BYTES).saturating_sub(1) * BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_uses_the_same_words_and_the_same_place() {
        let script = include_str!("../../linux/root/usr/lib/bootstack/volume");
        let words = std::str::from_utf8(INTENT).unwrap().trim_end();
        assert!(script.contains(&format!("intent='{words}'")));
        assert!(script.contains(&format!("block_bytes={BLOCK_BYTES}")));
        assert!(script.contains("last_block=$((bytes / block_bytes - 1))"));
    }

    #[test]
    fn only_a_marked_volume_is_taken_for_marked() {
        let volume = tempfile::tempfile().unwrap();
        volume.set_len(3 * BLOCK_BYTES + 512).unwrap();
        assert!(!is_marked_blank(&volume).unwrap());
        mark_blank(&volume).unwrap();
        assert!(is_marked_blank(&volume).unwrap());
        volume.write_all_at(b"superblock", 1024).unwrap();
        assert!(!is_marked_blank(&volume).unwrap());
    }
}
