//! The virtual machine's generation id: it changes when a machine is a copy of an earlier moment.
//!
//! Understood is the form of QEMU and the clouds that are made of it: a table with the device `QEMUVGID` and the place of
//! its page as `VGIA` (QEMU, docs/specs/vmgenid). Without it a restored machine cannot know that it has a twin.
//!
//! Invariant: reading is cheap enough for every random number.

use core::sync::atomic::{AtomicPtr, Ordering};

use crate::env;
use crate::mm::PhysAddr;

/// 128 bits, of which only equality means something.
pub(crate) type Id = [u64; 2];

const DEVICE: &[u8] = b"QEMUVGID";
/// `Name (VGIA, …)` with a double word (ACPI 6.5, 20.2.3).
const PLACE: &[u8] = b"\x08VGIA\x0c";
/// Where in the page the id lies, so that it does not look like a table's header.
const OFFSET: usize = 40;

static ID: AtomicPtr<Id> = AtomicPtr::new(core::ptr::null_mut());

/// Looks for the id's place in a table's bytecode.
pub(crate) fn learn(bytecode: &[u8]) {
    let has = |wanted: &[u8]| bytecode.windows(wanted.len()).position(|window| window == wanted);
    let Some(at) = has(DEVICE).and_then(|_| has(PLACE)) else { return };
    let Some(place) = bytecode[at + PLACE.len()..].first_chunk::<4>() else { return };
    let page = u64::from(u32::from_le_bytes(*place));
    if page != 0 {
        ID.store(map(page), Ordering::Relaxed);
    }
}

fn map(page: u64) -> *mut Id {
    let start = if env::is_uefi() {
        page as *mut u8
    } else {
        crate::mm::map(PhysAddr::new(page), 4096, false, true, false).as_mut_ptr()
    };
    // Safety: the id lies within the page.
    unsafe { start.add(OFFSET).cast() }
}

/// The id now; zeros where the platform does not tell.
pub(crate) fn read() -> Id {
    let id = ID.load(Ordering::Relaxed);
    if id.is_null() {
        return [0; 2];
    }
    // Safety: the page is mapped for good; the host may change the id at any time.
    unsafe { id.read_volatile() }
}
