//! The kernel's first page tables: memory at its own address, nothing both writable and executable.
//!
//! The kernel adds to these tables; it expects each 2 MiB of free memory to be absent or mapped by one large page.
//! Invariant: page 0 stays unmapped, so a null pointer faults.

use crate::elf::Access;
use crate::plan::{LARGE_PAGE_BYTES, REACH_BYTES};
use crate::ranges::PAGE_BYTES;
use crate::{Range, Refusal};

/// Intel SDM volume 3, table 5-20: the bits of an entry.
const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// How many tables are set aside: the image's 64 MiB in small pages (33), four GiB in large ones, and the loader.
pub const TABLES: usize = 64;

/// One table of any level.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4096))]
pub struct Table(pub [u64; 512]);

/// A tree of tables that grows within a fixed pool.
#[derive(Debug)]
pub struct Tables {
    pool: &'static mut [Table],
    used: usize,
}

impl Tables {
    /// An empty tree; its root is the pool's first table. The pool lies at its physical address.
    #[must_use]
    pub fn new(pool: &'static mut [Table]) -> Self {
        pool.fill(Table([0; 512]));
        Self { pool, used: 1 }
    }

    /// The physical address of the root, for CR3.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.address(0)
    }

    /// Maps free memory by large pages, as far as page tables are set aside; the kernel maps the rest itself.
    ///
    /// # Errors
    /// When the pool is used up.
    pub fn map_free(&mut self, range: &Range) -> Result<(), Refusal> {
        let mut address = range.start & !(LARGE_PAGE_BYTES - 1);
        while address < range.end.min(REACH_BYTES) {
            let entry = self.entry(address, 2)?;
            if *entry & PRESENT == 0 {
                *entry = address | PRESENT | WRITE | LARGE | NO_EXECUTE;
            }
            address += LARGE_PAGE_BYTES;
        }
        Ok(())
    }

    /// Maps the whole pages of `range`, which is free, and nothing around them: by large pages where they fit.
    ///
    /// # Errors
    /// When the pool is used up.
    pub fn map_within(&mut self, range: &Range) -> Result<(), Refusal> {
        let mut address = range.start;
        while address < range.end {
            let is_large =
                address.is_multiple_of(LARGE_PAGE_BYTES) && address + LARGE_PAGE_BYTES <= range.end;
            let (level, kind, bytes) =
                if is_large { (2, LARGE, LARGE_PAGE_BYTES) } else { (1, 0, PAGE_BYTES) };
            let entry = self.entry(address, level)?;
            if *entry & PRESENT == 0 {
                *entry = address | PRESENT | WRITE | NO_EXECUTE | kind;
            }
            address += bytes;
        }
        Ok(())
    }

    /// Maps every page that `range` touches by small pages, in place of what was there.
    ///
    /// # Errors
    /// When the pool is used up.
    pub fn map(&mut self, range: &Range, access: Access) -> Result<(), Refusal> {
        let mut address = (range.start & !(PAGE_BYTES - 1)).max(PAGE_BYTES);
        while address < range.end {
            *self.entry(address, 1)? = address | PRESENT | bits(access);
            address += PAGE_BYTES;
        }
        Ok(())
    }

    /// The entry of `address` in a table of `level`: 1 for small pages, 2 for large ones.
    fn entry(&mut self, address: u64, level: u32) -> Result<&mut u64, Refusal> {
        let mut table = 0;
        for above in (level + 1..=4).rev() {
            let place = index(address, above);
            let entry = self.pool[table].0[place];
            table = match entry & (PRESENT | LARGE) {
                0 => self.grow(table, place)?,
                PRESENT => self.number(entry),
                _ => self.split(table, place)?,
            };
        }
        Ok(&mut self.pool[table].0[index(address, level)])
    }

    fn grow(&mut self, table: usize, place: usize) -> Result<usize, Refusal> {
        let new = self.used;
        if new == self.pool.len() {
            return Err(Refusal::MachineUnfit(
                "the loader's page tables do not suffice: report the memory map",
            ));
        }
        self.used += 1;
        self.pool[table].0[place] = self.address(new) | PRESENT | WRITE;
        Ok(new)
    }

    /// Puts 512 small pages in the place of a large one.
    fn split(&mut self, table: usize, place: usize) -> Result<usize, Refusal> {
        let large = self.pool[table].0[place] & !LARGE;
        let new = self.grow(table, place)?;
        for (entry, offset) in self.pool[new].0.iter_mut().zip((0..).step_by(4096)) {
            *entry = large + offset;
        }
        Ok(new)
    }

    fn address(&self, number: usize) -> u64 {
        &raw const self.pool[number] as u64
    }

    fn number(&self, entry: u64) -> usize {
        ((entry & ADDRESS) - self.address(0)) as usize / size_of::<Table>()
    }
}

fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * (level - 1)) & 511) as usize
}

fn bits(access: Access) -> u64 {
    let write = if access.write { WRITE } else { 0 };
    if access.execute { write } else { write | NO_EXECUTE }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn tables() -> Tables {
        Tables::new(Box::leak(vec![Table([0; 512]); TABLES].into_boxed_slice()))
    }

    #[test]
    fn a_small_page_within_a_large_one_leaves_its_neighbours_mapped() {
        let mut tables = tables();
        tables.map_free(&(3 * MIB..7 * MIB)).unwrap();
        tables.map(&(4 * MIB..4 * MIB + 1), Access { write: false, execute: true }).unwrap();
        assert_eq!(*tables.entry(4 * MIB, 1).unwrap(), (4 * MIB) | PRESENT);
        assert_eq!(
            *tables.entry(4 * MIB + 4096, 1).unwrap(),
            (4 * MIB + 4096) | PRESENT | WRITE | NO_EXECUTE
        );
        assert_eq!(*tables.entry(2 * MIB, 2).unwrap(), (2 * MIB) | PRESENT | WRITE | LARGE | NO_EXECUTE);
        assert_eq!(*tables.entry(8 * MIB, 2).unwrap(), 0);
    }

    #[test]
    fn a_range_is_mapped_to_its_ends_and_no_further() {
        let mut tables = tables();
        tables.map_within(&(2 * MIB - 0x1000..6 * MIB + 0x2000)).unwrap();
        let data = PRESENT | WRITE | NO_EXECUTE;
        for page in [2 * MIB - 0x1000, 6 * MIB, 6 * MIB + 0x1000] {
            assert_eq!(*tables.entry(page, 1).unwrap(), page | data);
        }
        for page in [2 * MIB, 4 * MIB] {
            assert_eq!(*tables.entry(page, 2).unwrap(), page | data | LARGE);
        }
        for page in [2 * MIB - 0x2000, 6 * MIB + 0x2000] {
            assert_eq!(*tables.entry(page, 1).unwrap(), 0);
        }
    }

    #[test]
    fn page_0_stays_unmapped() {
        let mut tables = tables();
        tables.map(&(0..0x3000), Access::default()).unwrap();
        assert_eq!(*tables.entry(0, 1).unwrap(), 0);
        assert_eq!(*tables.entry(0x1000, 1).unwrap(), 0x1000 | PRESENT | NO_EXECUTE);
    }

    #[test]
    fn the_largest_machine_fits_into_the_pool() {
        let mut tables = tables();
        tables.map_free(&(102 * MIB..1 << 40)).unwrap();
        // As many ranges beside the image as a plan names, each on two tables.
        for crumb in (70 * MIB..102 * MIB).step_by(4 << 20) {
            tables.map_within(&(crumb - 0x1000..crumb + 0x1000)).unwrap();
        }
        tables.map(&(2 * MIB..66 * MIB), Access::default()).unwrap();
        tables.map(&(MIB..2 * MIB), Access::default()).unwrap();
        tables.map(&(3000 * MIB - 1..3001 * MIB), Access::default()).unwrap();
        assert!(tables.used < TABLES, "{}", tables.used);
    }
}
