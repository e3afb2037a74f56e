//! KVM's clock, where it is offered: each processor has a page that the host keeps right.
//!
//! Its seconds are the host's own, whatever the timestamp counter does: the counter of a machine that is moved to another host
//! runs at another rate, and the host says so. The date is not taken from it: that is the clock chip's and the time servers'.
//!
//! Invariant: it is used from the start or not at all, and it never goes back.

use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use x86_64::registers::model_specific::Msr;

use super::rate::Rate;
use super::shared::{self, Page, Scale};
use crate::arch::core_local::core_id;
use crate::arch::processor::get_timestamp;
use crate::mm::{self, VirtAddr};

/// The register that takes a page's place (MSR_KVM_SYSTEM_TIME_NEW), and its bit that has the host write there.
const PLACE: u32 = 0x4b56_4d01;
const WRITE: u64 = 1;
/// In `ecx` of leaf 1: there is a hypervisor, so its leaves mean something.
const HYPERVISOR: u32 = 1 << 31;
/// As many processors as have a page of their own; others read the first one's.
const MOST: usize = 32;

static PAGE: [Page; MOST] = [const { Page::new() }; MOST];
static IS_USED: AtomicBool = AtomicBool::new(false);
/// The latest time that was told.
static LAST_US: AtomicU64 = AtomicU64::new(0);

/// Begins to use the clock if it is offered, and says how fast the timestamp counter runs. Called once, on the first processor.
pub(super) fn start() -> Option<Rate> {
    let leaf = |leaf| __cpuid_count(leaf, 0);
    let is_offered = leaf(1).ecx & HYPERVISOR != 0
        && shared::is_offered(|number| {
            let leaf = leaf(number);
            [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
        });
    if !is_offered {
        return None;
    }
    show(&PAGE[0]);
    let Some(rate) = now().and_then(|(scale, _)| Rate::of_khz(scale.khz())) else {
        error!("KVM offers its clock and does not tell the time: the timestamp counter is the clock");
        return None;
    };
    IS_USED.store(true, Ordering::Relaxed);
    info!("the clock is KVM's");
    Some(rate)
}

/// Hands another processor's page over, if the clock is used.
pub(crate) fn start_another() {
    if let Some(page) = PAGE.get(core_id() as usize).filter(|_| IS_USED.load(Ordering::Relaxed)) {
        show(page);
    }
}

fn show(page: &'static Page) {
    let place = VirtAddr::from_ptr(core::ptr::from_ref(page));
    let place = mm::virtual_to_physical(place).expect("the kernel's own memory is mapped");
    // Safety: KVM has the register, for it offers the clock. The page lies in memory that is never given away, within
    // one frame for its alignment, and is read only as atomic words.
    unsafe { Msr::new(PLACE).write(place.as_u64() | WRITE) };
}

/// Microseconds since the machine began, if the clock is used.
#[inline]
pub(super) fn micros() -> Option<u64> {
    IS_USED.load(Ordering::Relaxed).then(told)
}

/// The timestamp counter at that time, if the clock is used. Where the host does not tell for once: now, to look again.
pub(super) fn at(micros: u64) -> Option<u64> {
    let count = || now().map_or_else(get_timestamp, |(scale, _)| scale.count(micros));
    IS_USED.load(Ordering::Relaxed).then(count)
}

/// Where the host does not tell for once, what was told last.
fn told() -> u64 {
    let micros = now().map_or(0, |(scale, count)| scale.micros(count));
    shared::steady(&LAST_US, micros)
}

fn now() -> Option<(Scale, u64)> {
    let own = PAGE.get(core_id() as usize).and_then(|page| page.read(get_timestamp));
    own.or_else(|| PAGE[0].read(get_timestamp))
}
