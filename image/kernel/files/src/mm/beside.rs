//! Memory beside the kernel, for the heap alone.
//!
//! The kernel takes pages only from behind its image, from a large page's boundary on. What is free before that is mapped by the
//! loader, at its own address, and named in the device tree: a machine as small as a web machine may be has a tenth of its
//! memory there.

use super::allocator::LockedAllocator;
use crate::env;

/// The loader's name for such memory (`image/boot/src/tree.rs`).
const NODES: &str = "/bootstack,heap";

/// Gives it to the heap. Called once, when the heap has its first memory.
pub(super) fn give(heap: &LockedAllocator) {
    each(|start, bytes| {
        // Safety: the loader has mapped it, whole pages of it, and named it to nobody else.
        unsafe { heap.init(start, bytes) }
    });
}

/// How much it is.
pub(crate) fn bytes() -> usize {
    let mut sum = 0;
    each(|_, bytes| sum += bytes);
    sum
}

fn each(mut part: impl FnMut(*mut u8, usize)) {
    let Some(tree) = env::fdt() else { return };
    for region in tree.find_all_nodes(NODES).filter_map(|node| node.reg()?.next()) {
        if let Some(bytes) = region.size {
            part(region.starting_address.cast_mut(), bytes);
        }
    }
}
