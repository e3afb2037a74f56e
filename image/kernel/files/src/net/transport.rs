//! The PCI side of a virtio device (virtio 1.2, 4.1): registers, feature negotiation, queues, interrupts.
//!
//! It does not know what the device is for. Modern and transitional devices are alike here: both have the
//! capabilities; a legacy-only device has none and is refused.
//!
//! Invariant: registers are reached only inside a BAR that was mapped, at offsets that the BAR covers.

use pci_types::capability::{MsixCapability, PciCapability};
use pci_types::{Bar, CommandRegister, ConfigRegionAccess};

use super::ring::Ring;
use super::wait;
use crate::arch::pci::PciConfigRegion;
use crate::drivers::pci::PciDevice;
use crate::mm::PhysAddr;

type Device = PciDevice<PciConfigRegion>;

/// The interrupt numbers of the device's two messages: vectors 80 and 81, which nothing else here uses.
const QUEUE_IRQ: u8 = 48;
const CONFIGURATION_IRQ: u8 = 49;
const QUEUE_VECTOR: u16 = 0;
const CONFIGURATION_VECTOR: u16 = 1;
const NO_VECTOR: u16 = 0xffff;

/// A reset is over within this time or never: virtio names none, and a host that is busy may take its time.
const RESET_US: u64 = 2_000_000;

/// Bits of the device's status register (virtio 1.2, 2.1).
pub(super) mod status {
    pub(crate) const ACKNOWLEDGE: u8 = 1;
    pub(crate) const DRIVER: u8 = 2;
    pub(crate) const DRIVER_OK: u8 = 4;
    pub(crate) const FEATURES_OK: u8 = 8;
    pub(crate) const NEEDS_RESET: u8 = 64;
    pub(crate) const FAILED: u8 = 128;
}

/// Offsets in the common configuration (virtio 1.2, 4.1.4.3).
mod common {
    pub(super) const DEVICE_FEATURE_SELECT: usize = 0;
    pub(super) const DEVICE_FEATURE: usize = 4;
    pub(super) const DRIVER_FEATURE_SELECT: usize = 8;
    pub(super) const DRIVER_FEATURE: usize = 12;
    pub(super) const CONFIG_VECTOR: usize = 16;
    pub(super) const STATUS: usize = 20;
    pub(super) const QUEUE_SELECT: usize = 22;
    pub(super) const QUEUE_SIZE: usize = 24;
    pub(super) const QUEUE_VECTOR: usize = 26;
    pub(super) const QUEUE_ENABLE: usize = 28;
    pub(super) const QUEUE_NOTIFY_OFFSET: usize = 30;
    pub(super) const QUEUE_DESCRIPTORS: usize = 32;
}

/// Kinds of virtio capability (virtio 1.2, 4.1.4).
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const INTERRUPT_STATUS: u8 = 3;
const DEVICE: u8 = 4;

#[derive(Clone, Copy)]
struct Registers {
    start: *mut u8,
    bytes: usize,
}

impl Registers {
    fn read<T: Copy>(&self, offset: usize) -> T {
        assert!(offset + size_of::<T>() <= self.bytes);
        // Safety: within the mapped capability; device registers are little-endian like this machine.
        unsafe { self.start.add(offset).cast::<T>().read_volatile() }
    }

    fn write<T: Copy>(&self, offset: usize, value: T) {
        assert!(offset + size_of::<T>() <= self.bytes);
        // Safety: as in `read`.
        unsafe { self.start.add(offset).cast::<T>().write_volatile(value) };
    }
}

/// A virtio device on PCI whose registers are mapped.
pub(super) struct Transport {
    common: Registers,
    notify: Registers,
    notify_multiplier: usize,
    interrupt_status: Registers,
    device: Option<Registers>,
    irq: u8,
    has_messages: bool,
}

/// Which interrupts the device sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Interrupts {
    /// One line for everything.
    Line(u8),
    /// A message for the queues and one for the configuration.
    Messages { queues: u8, configuration: u8 },
}

// Safety: the registers belong to the device and are reached only through the owner.
unsafe impl Send for Transport {}

impl Transport {
    /// Maps the registers and sets up the interrupt. `None` if the device lacks what virtio 1 requires.
    pub(super) fn open(device: &Device) -> Option<Self> {
        device.set_command(CommandRegister::BUS_MASTER_ENABLE | CommandRegister::MEMORY_ENABLE);
        let mut bars = Bars { device, mapped: [None; 6] };
        let mut parts = [None; 5];
        let mut notify_multiplier = 0;
        let mut messages = None;
        for capability in device.capabilities()? {
            match capability {
                PciCapability::MsiX(found) => messages = Some(found),
                PciCapability::Vendor(found) => {
                    let word = |index: u16| {
                        // Safety: the words of a capability lie in the device's configuration space.
                        unsafe { device.access().read(found.address, found.offset + 4 * index) }
                    };
                    let kind = (word(0) >> 24) as u8;
                    if matches!(kind, COMMON..=DEVICE) && parts[usize::from(kind)].is_none() {
                        parts[usize::from(kind)] = bars.part(word(1) as u8, word(2), word(3));
                        if kind == NOTIFY {
                            notify_multiplier = word(4) as usize;
                        }
                    }
                }
                _ => {}
            }
        }
        let has_messages = messages.is_some_and(|messages| bars.set_messages(messages).is_some());
        Some(Self {
            common: parts[usize::from(COMMON)]?,
            notify: parts[usize::from(NOTIFY)]?,
            notify_multiplier,
            interrupt_status: parts[usize::from(INTERRUPT_STATUS)]?,
            device: parts[usize::from(DEVICE)],
            has_messages,
            irq: device.get_irq()?,
        })
    }

    /// The interrupts that the device uses.
    pub(super) fn interrupts(&self) -> Interrupts {
        if self.has_messages {
            Interrupts::Messages { queues: QUEUE_IRQ, configuration: CONFIGURATION_IRQ }
        } else {
            Interrupts::Line(self.irq)
        }
    }

    /// Resets the device and waits until it says so. False if it does not.
    pub(super) fn reset(&self) -> bool {
        let deadline = wait::now() + RESET_US;
        self.common.write::<u8>(common::STATUS, 0);
        while self.status() != 0 {
            if deadline <= wait::now() {
                return false;
            }
            core::hint::spin_loop();
        }
        true
    }

    pub(super) fn status(&self) -> u8 {
        self.common.read(common::STATUS)
    }

    pub(super) fn add_status(&self, bits: u8) {
        self.common.write(common::STATUS, self.status() | bits);
    }

    /// Accepts what the device offers of `wanted`, which must include what is `needed`.
    pub(super) fn negotiate(&self, wanted: u64, needed: u64) -> Option<u64> {
        let accepted = self.offered() & wanted;
        for half in 0..2 {
            self.common.write::<u32>(common::DRIVER_FEATURE_SELECT, half);
            self.common.write::<u32>(common::DRIVER_FEATURE, (accepted >> (32 * half)) as u32);
        }
        self.add_status(status::FEATURES_OK);
        let is_accepted = self.status() & status::FEATURES_OK != 0;
        (accepted & needed == needed && is_accepted).then_some(accepted)
    }

    fn offered(&self) -> u64 {
        (0..2).fold(0, |features, half: u32| {
            self.common.write::<u32>(common::DEVICE_FEATURE_SELECT, half);
            features | u64::from(self.common.read::<u32>(common::DEVICE_FEATURE)) << (32 * half)
        })
    }

    /// The greatest size of a queue, zero if there is none of that number.
    pub(super) fn queue_size(&self, index: u16) -> u16 {
        self.common.write(common::QUEUE_SELECT, index);
        self.common.read(common::QUEUE_SIZE)
    }

    /// Gives a queue its memory and its interrupt.
    pub(super) fn start_queue(&self, ring: &mut Ring) {
        self.common.write(common::QUEUE_SELECT, ring.index());
        self.common.write(common::QUEUE_SIZE, ring.size());
        let vector = if self.has_messages { QUEUE_VECTOR } else { NO_VECTOR };
        self.common.write::<u16>(common::QUEUE_VECTOR, vector);
        for (part, address) in ring.parts().into_iter().enumerate() {
            let at = common::QUEUE_DESCRIPTORS + 8 * part;
            self.common.write(at, address as u32);
            self.common.write(at + 4, (address >> 32) as u32);
        }
        let offset: u16 = self.common.read(common::QUEUE_NOTIFY_OFFSET);
        let doorbell = usize::from(offset) * self.notify_multiplier;
        assert!(doorbell + 2 <= self.notify.bytes);
        // Safety: the doorbell lies within the notify registers, as just checked.
        ring.set_doorbell(unsafe { self.notify.start.add(doorbell) }.cast());
        self.common.write::<u16>(common::QUEUE_ENABLE, 1);
    }

    /// Asks for an interrupt when the device's configuration changes.
    pub(super) fn watch_configuration(&self) {
        let vector = if self.has_messages { CONFIGURATION_VECTOR } else { NO_VECTOR };
        self.common.write::<u16>(common::CONFIG_VECTOR, vector);
    }

    /// Quietens a line interrupt; a message needs no answer. True if it came for the configuration.
    pub(super) fn acknowledge(&self) -> bool {
        !self.has_messages && self.interrupt_status.read::<u8>(0) & 2 != 0
    }

    /// A byte of the device's own configuration, zero where it has none.
    pub(super) fn configuration(&self, offset: usize) -> u8 {
        match &self.device {
            Some(registers) if offset < registers.bytes => registers.read(offset),
            _ => 0,
        }
    }
}

struct Bars<'a> {
    device: &'a Device,
    mapped: [Option<Registers>; 6],
}

impl Bars<'_> {
    fn part(&mut self, bar: u8, offset: u32, length: u32) -> Option<Registers> {
        let whole = self.map(bar)?;
        let (offset, bytes) = (offset as usize, length as usize);
        if offset.checked_add(bytes)? > whole.bytes {
            return None;
        }
        // Safety: the offset lies within the mapped BAR.
        Some(Registers { start: unsafe { whole.start.add(offset) }, bytes })
    }

    fn map(&mut self, bar: u8) -> Option<Registers> {
        let known = self.mapped.get(usize::from(bar)).copied()?;
        if known.is_some() {
            return known;
        }
        let (address, bytes) = match self.device.get_bar(bar)? {
            Bar::Memory32 { address, size, .. } => (u64::from(address), size as usize),
            Bar::Memory64 { address, size, .. } => (address, size as usize),
            Bar::Io { .. } => return None,
        };
        if address == 0 {
            return None;
        }
        let start = if crate::env::is_uefi() {
            address as *mut u8
        } else {
            crate::mm::map(PhysAddr::new(address), bytes, true, true, true).as_mut_ptr()
        };
        self.mapped[usize::from(bar)] = Some(Registers { start, bytes });
        self.mapped[usize::from(bar)]
    }

    /// Points two messages at this processor and turns messages on (PCI 3.0, 6.8.2).
    fn set_messages(&mut self, mut messages: MsixCapability) -> Option<()> {
        let table = self.part(messages.table_bar(), messages.table_offset(), 32)?;
        let processor = raw_cpuid::CpuId::new().get_feature_info()?.initial_local_apic_id();
        if messages.table_size() < 2 {
            return None;
        }
        for (entry, irq) in [(QUEUE_VECTOR, QUEUE_IRQ), (CONFIGURATION_VECTOR, CONFIGURATION_IRQ)] {
            let at = 16 * usize::from(entry);
            table.write::<u32>(at, 0xfee0_0000 | u32::from(processor) << 12);
            table.write::<u32>(at + 4, 0);
            table.write::<u32>(at + 8, 32 + u32::from(irq));
            table.write::<u32>(at + 12, 0);
        }
        messages.set_function_mask(false, self.device.access());
        messages.set_enabled(true, self.device.access());
        Some(())
    }
}
