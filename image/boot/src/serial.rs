//! The serial console COM1, written to by polling. Invariant: a missing or stuck port costs bounded time.

use core::fmt;

use crate::port::{read_u8, write_u8};

/// The I/O port of COM1 on every PC; the kernel is told the same.
pub const COM1: u16 = 0x3f8;
/// Bit 5 of the line status register: the transmitter takes another byte.
const READY: u8 = 1 << 5;
/// How often the status is read before a byte is given up; at 115,200 baud a byte takes 87 µs.
const PATIENCE: u32 = 100_000;

/// The console, set to 115,200 baud, 8 data bits, no parity.
#[derive(Debug)]
pub struct Serial(());

impl Serial {
    /// Sets the port up.
    #[must_use]
    pub fn new() -> Self {
        // Interrupts off, divisor latch, divisor 1, 8N1, FIFO on, modem lines on: the 16550's data sheet.
        for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 7), (4, 3)] {
            // Safety: COM1's registers change nothing but the port.
            unsafe { write_u8(COM1 + register, value) }
        }
        Self(())
    }

    fn send(&mut self, byte: u8) {
        // Safety: reading COM1's status and writing its data register changes nothing but the port.
        unsafe {
            let ready = (0..PATIENCE).any(|_| read_u8(COM1 + 5) & READY != 0);
            if ready {
                write_u8(COM1, byte);
            }
        }
    }
}

impl Default for Serial {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.send(b'\r');
            }
            self.send(byte);
        }
        Ok(())
    }
}
