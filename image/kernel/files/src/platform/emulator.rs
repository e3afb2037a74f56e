//! What an emulated processor wants: its cache of translations emptied now and then.
//!
//! QEMU's emulator chooses the size of that cache when it is emptied (`tlb_mmu_resize_locked` in its accel/tcg/cputlb.c), and
//! begins with 256 pages. A kernel with one address space never empties it, so it stayed as small as that, and a service
//! of more pages was looked up page by page for ever. Nothing here touches a real or a virtualised processor.
//!
//! Invariant: what is emptied is a cache; no translation changes.

use core::arch::x86_64::__cpuid;
use core::sync::atomic::{AtomicU64, Ordering};

use hermit_sync::Lazy;

/// As the emulator names itself (QEMU's target/i386/cpu.c).
const SIGNATURE: &[u8; 12] = b"TCGTCGTCGTCG";
/// Where a hypervisor names itself (Linux, Documentation/virt/kvm/x86/cpuid.rst).
const HYPERVISOR_LEAF: u32 = 0x4000_0000;
/// How often, in microseconds: QEMU looks at what was used in the last tenth of a second, and filling a cache of 2,048
/// pages anew takes about a millisecond.
const PERIOD_US: u64 = 200_000;

static IS_EMULATED: Lazy<bool> = Lazy::new(|| {
    let leaf = __cpuid(HYPERVISOR_LEAF);
    let name = [leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes);
    name.as_flattened() == SIGNATURE
});
static DUE_US: AtomicU64 = AtomicU64::new(0);

/// Empties the emulator's cache if there is one and it is time. `now_us` counts from the machine's start.
pub(crate) fn refresh(now_us: u64) {
    if now_us >= DUE_US.load(Ordering::Relaxed) {
        let next = if *IS_EMULATED { now_us + PERIOD_US } else { u64::MAX };
        DUE_US.store(next, Ordering::Relaxed);
        if *IS_EMULATED {
            x86_64::instructions::tlb::flush_all();
        }
    }
}
