//! ACPI: the root pointer, which the kernel needs, and switching the machine off.
//!
//! It reads the firmware's tables where they lie, so physical memory must be readable at its own address.
//! Invariant: a table is used only if its signature and its sum are right.

use core::slice;

use crate::port::write_u16;

/// The root pointer's length since ACPI 2.0 (ACPI 6.5, table 5.3).
const ROOT_BYTES: usize = 36;
/// Longer tables than any firmware's.
const TABLE_LIMIT_BYTES: usize = 1 << 20;

/// A copy of the root pointer, aligned as firmware aligns it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Root([u8; ROOT_BYTES]);

impl Root {
    /// No root pointer yet.
    pub const EMPTY: Self = Self([0; ROOT_BYTES]);

    /// Copies the root pointer at `address`, if there is a sound one.
    ///
    /// # Safety
    /// [`ROOT_BYTES`] at `address` must be readable.
    #[must_use]
    pub unsafe fn at(address: u64) -> Option<Self> {
        // Safety: the caller answers for the memory.
        let bytes: [u8; ROOT_BYTES] = unsafe { *(address as *const [u8; ROOT_BYTES]) };
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let sound =
            bytes.starts_with(b"RSD PTR ") && sum(&bytes[..20]) == 0 && (bytes[15] < 2 || sum(&bytes) == 0);
        sound.then_some(Self(bytes))
    }

    /// Looks where a BIOS puts it: the first KiB of its extended data area, then its own 128 KiB (ACPI 6.5, 5.2.5.1).
    ///
    /// # Safety
    /// The machine must be a PC started by its BIOS, its first MiB readable at its own address.
    #[must_use]
    pub unsafe fn search() -> Option<Self> {
        // Safety: the BIOS data area holds the extended area's segment at 0x40e.
        let segment = unsafe { (0x40e as *const u16).read_volatile() };
        let extended = u64::from(segment) << 4;
        let areas = [extended..extended + 1024, 0xe_0000..0x10_0000 - ROOT_BYTES as u64];
        let mut addresses =
            areas.into_iter().flat_map(|area| area.step_by(16)).filter(|address| *address > 0x400);
        // Safety: both areas lie within the first MiB.
        addresses.find_map(|address| unsafe { Self::at(address) })
    }

    fn tables(&self) -> impl Iterator<Item = &'static [u8]> {
        let number = |place: usize, len: usize| little(&self.0[place..place + len]);
        // The 64-bit list replaces the 32-bit one from revision 2 on.
        let (list, entry_bytes) = if self.0[15] >= 2 { (number(24, 8), 8) } else { (number(16, 4), 4) };
        // Safety: a sound root pointer names its list.
        let list = unsafe { table(list) }.unwrap_or_default();
        // Safety: a sound list names tables.
        list.get(36..)
            .unwrap_or_default()
            .chunks_exact(entry_bytes)
            .filter_map(|at| unsafe { table(little(at)) })
    }

    /// Switches the machine off (state S5); returns if that fails.
    ///
    /// # Safety
    /// Physical memory must be readable at its own address.
    pub unsafe fn power_off(&self) {
        let Some(fixed) = self.tables().find(|table| table.starts_with(b"FACP") && table.len() >= 68) else {
            return;
        };
        let control = little(&fixed[64..68]);
        // Safety: a sound FADT names the DSDT.
        let kind = unsafe { table(little(&fixed[40..44])) }.and_then(soft_off);
        if let (Ok(port @ 1..), Some(kind)) = (u16::try_from(control), kind) {
            // Safety: PM1a control with the enabling bit 13 switches off (ACPI 6.5, table 4.13); nothing else runs.
            unsafe { write_u16(port, u16::from(kind) << 10 | 1 << 13) }
        }
    }
}

/// The value for state S5: the first number of the package `_S5_`, as every firmware's compiler writes it.
fn soft_off(definitions: &[u8]) -> Option<u8> {
    let place = definitions.windows(4).position(|name| name == b"_S5_")?;
    // Package opcode, its length (one byte), its count; then a byte prefix and the value, or zero's opcode.
    match *definitions.get(place + 4..place + 9)? {
        [0x12, _, _, 0x0a, value] => Some(value & 7),
        [0x12, _, _, 0, _] => Some(0),
        _ => None,
    }
}

/// # Safety
/// `address` must be null or that of a table, readable.
unsafe fn table(address: u64) -> Option<&'static [u8]> {
    if address == 0 {
        return None;
    }
    // Safety: every table begins with its signature and its length, 36 bytes in all.
    let header = unsafe { slice::from_raw_parts(address as *const u8, 36) };
    let len =
        usize::try_from(little(&header[4..8])).ok().filter(|len| (36..=TABLE_LIMIT_BYTES).contains(len))?;
    // Safety: the table says that it is this long.
    let table = unsafe { slice::from_raw_parts(address as *const u8, len) };
    let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    (sum == 0).then_some(table)
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
