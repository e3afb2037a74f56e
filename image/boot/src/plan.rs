//! Where the application goes. Pure arithmetic on the memory map.
//!
//! Invariant: the image lies in free memory and overlaps nothing that is still needed. The kernel takes pages only from
//! behind its own end; what is free before that is named apart, for its heap.

use crate::{Range, Ranges, Refusal};

/// The kernel maps itself and all memory in pages of 2 MiB.
pub const LARGE_PAGE_BYTES: u64 = 2 << 20;
/// What must be left for the kernel and the application to work in: a service that nobody visits takes 5 MiB, stacks and
/// the network card's rings included (measured), and a few visitors must find room.
pub const LEAST_FREE_BYTES: u64 = 8 << 20;
/// Below, a PC's firmware has been seen to write after it said that the memory is free (Linux, kernel parameter `reservelow`); and
/// further processors take their first steps there.
pub const LOWEST_BYTES: u64 = 64 << 10;
/// So many ranges beside the image are named at most: each may take two page tables, of the few that are set aside.
const MOST_BESIDE: usize = 8;
/// The kernel's trampoline for further processors takes 32-bit addresses, and so does direct boot.
pub const REACH_BYTES: u64 = 4 << 30;

/// A decision.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the application's image goes.
    pub image: Range,
    /// What the kernel may take.
    pub free: Ranges,
    /// What is free before that: below the image, and from its end to the large page that the kernel begins at. The largest
    /// ranges of it, if there are many.
    pub beside: Ranges,
}

/// Decides where an image of `image_bytes` goes, given the machine's `free` memory and the place of the file that
/// it is loaded from. The file's own memory is free once it is loaded, so it counts as free.
///
/// # Errors
/// When there is too little memory.
pub fn decide(free: &Ranges, file: &Range, image_bytes: u64) -> Result<Plan, Refusal> {
    let image = place(free, file, image_bytes).ok_or_else(|| too_small(free, image_bytes))?;
    let begin = image.end.next_multiple_of(LARGE_PAGE_BYTES);
    let (mut left, mut beside) = (free.clone(), Ranges::new());
    left.remove(&(0..begin));
    free.iter().for_each(|range| beside.insert(range.start..range.end.min(begin)));
    beside.remove(&image);
    beside.keep_largest(MOST_BESIDE);
    if left.bytes() < LEAST_FREE_BYTES {
        return Err(too_small(free, image_bytes));
    }
    Ok(Plan { image, free: left, beside })
}

/// The lowest place on a large page's boundary: what lies below is of less use.
fn place(free: &Ranges, file: &Range, image_bytes: u64) -> Option<Range> {
    let mut usable = free.clone();
    usable.remove(file);
    let starts =
        usable.iter().map(|range| range.start.next_multiple_of(LARGE_PAGE_BYTES).max(LARGE_PAGE_BYTES));
    let mut images = starts.map(|start| start..start + image_bytes);
    images.find(|image| usable.contain(image) && image.end <= REACH_BYTES)
}

/// The highest place for `bytes` within reach, page-aligned.
#[must_use]
pub fn top(free: &Ranges, bytes: u64) -> Option<Range> {
    let ends = free.iter().rev().map(|range| (range.start, range.end.min(REACH_BYTES)));
    let mut places = ends.filter_map(|(start, end)| {
        let place = end.checked_sub(bytes)? & !(crate::ranges::PAGE_BYTES - 1);
        (place >= start).then_some(place..place + bytes)
    });
    places.next()
}

/// Why a boot loader has passed on no application: it has none, or memory too small to put it into.
#[must_use]
pub fn without_application(free: &Ranges) -> Refusal {
    if free.bytes() < 4 * LEAST_FREE_BYTES { too_small(free, 0) } else { Refusal::ApplicationMissing }
}

fn too_small(free: &Ranges, image_bytes: u64) -> Refusal {
    // What firmware keeps for itself is at most a few dozen MiB; clouds and QEMU sell memory in steps of 64.
    const STEP_MIB: u64 = 64;
    let needs_mib = ((2 * image_bytes + LEAST_FREE_BYTES) >> 20).next_multiple_of(STEP_MIB);
    let has_mib = free.bytes() >> 20;
    let needs_mib = needs_mib.max((has_mib + 1).next_multiple_of(STEP_MIB)).max(128);
    Refusal::MemoryTooSmall { has_mib, needs_mib }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "sets of one range are meant")]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn set(ranges: &[Range]) -> Ranges {
        let mut set = Ranges::new();
        ranges.iter().cloned().for_each(|range| set.insert(range));
        set
    }

    #[test]
    fn the_image_goes_to_the_lowest_large_page_and_the_rest_stays_free() {
        let plan = decide(&set(&[2 * MIB..128 * MIB]), &(120 * MIB..128 * MIB), 9 * MIB + 5).unwrap();
        assert_eq!(plan.image, 2 * MIB..11 * MIB + 5);
        assert_eq!(plan.free.iter().next(), Some(12 * MIB..128 * MIB));
    }

    #[test]
    fn what_is_free_beside_the_image_is_not_lost() {
        let free = set(&[MIB / 16..MIB / 2, MIB + MIB / 2..128 * MIB]);
        let plan = decide(&free, &(120 * MIB..128 * MIB), 9 * MIB + 5).unwrap();
        let beside = [MIB / 16..MIB / 2, MIB + MIB / 2..2 * MIB, 11 * MIB + 0x1000..12 * MIB];
        assert_eq!(plan.beside.iter().collect::<Vec<_>>(), beside);
    }

    #[test]
    fn crumbs_beside_the_image_take_no_page_tables() {
        let mut free = set(&[200 * MIB..400 * MIB]);
        (1..60).for_each(|number| free.insert(2 * number * MIB + 0x1000..2 * number * MIB + 0x3000));
        let plan = decide(&free, &(390 * MIB..400 * MIB), 9 * MIB).unwrap();
        assert_eq!((plan.image.start, plan.beside.iter().count()), (200 * MIB, MOST_BESIDE));
    }

    #[test]
    fn holes_and_the_file_itself_are_stepped_over() {
        let free = set(&[MIB..8 * MIB, 9 * MIB + 1..100 * MIB]);
        let plan = decide(&free, &(9 * MIB..20 * MIB + 9), 10 * MIB).unwrap();
        assert_eq!(plan.image, 22 * MIB..32 * MIB);
        assert!(!plan.free.contain(&(10 * MIB..11 * MIB)));
    }

    #[test]
    fn too_little_memory_is_refused_with_what_would_do() {
        let refused = decide(&set(&[2 * MIB..19 * MIB]), &(11 * MIB..19 * MIB), 9 * MIB).unwrap_err();
        assert_eq!(refused, Refusal::MemoryTooSmall { has_mib: 17, needs_mib: 128 });
    }

    #[test]
    fn a_machine_too_small_to_be_given_its_application_is_told_so() {
        let small = without_application(&set(&[2 * MIB..16 * MIB]));
        assert_eq!(small, Refusal::MemoryTooSmall { has_mib: 14, needs_mib: 128 });
        assert_eq!(without_application(&set(&[2 * MIB..128 * MIB])), Refusal::ApplicationMissing);
    }

    #[test]
    fn the_top_is_within_reach() {
        let free = set(&[2 * MIB..3 * MIB, 5 * MIB..5000 * MIB]);
        assert_eq!(top(&free, MIB + 1), Some(4094 * MIB + 0xff000..4095 * MIB + 0xff001));
        assert_eq!(top(&set(&[2 * MIB..3 * MIB]), 2 * MIB), None);
    }
}
