//! The VGA text screen that a BIOS leaves. Invariant: nothing outside its 80 × 25 cells is written.

use core::fmt;

/// Where every PC in text mode shows its screen.
const CELLS: *mut u16 = 0xb_8000 as *mut u16;
const COLUMNS: usize = 80;
const ROWS: usize = 25;
/// White on black, in a cell's upper byte.
const WHITE: u16 = 0x0f00;

/// The screen, written from its upper left corner on.
#[derive(Debug)]
pub(crate) struct Screen {
    cell: usize,
}

impl Screen {
    /// Clears the screen.
    pub(crate) fn new() -> Self {
        (0..COLUMNS * ROWS).for_each(|cell| put(cell, b' '));
        Self { cell: 0 }
    }
}

fn put(cell: usize, byte: u8) {
    if cell < COLUMNS * ROWS {
        // Safety: the cell is one of the screen's, which the entry code has mapped.
        unsafe { CELLS.add(cell).write_volatile(WHITE | u16::from(byte)) }
    }
}

impl fmt::Write for Screen {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.cell = (self.cell / COLUMNS + 1) * COLUMNS;
            } else {
                put(self.cell, byte);
                self.cell += 1;
            }
        }
        Ok(())
    }
}
