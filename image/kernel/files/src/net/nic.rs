//! The virtio network card: frames in, frames out, in memory that was set aside at start.
//!
//! It knows no protocol above Ethernet but for the place of a checksum. It never allocates after start and maps
//! nothing.
//!
//! Invariant: a slot is in exactly one place: offered to the device, being read or filled, or in `free`.

use alloc::vec::Vec;

use super::frame::{self, Transport as Checked};
use super::memory::{self, DeviceMemory};
use super::ring::Ring;
use super::transport::{Interrupts, Transport, status};

/// Frames that wait for us, and frames that wait for the wire, at most and at least: a small machine has fewer.
const MOST_SLOTS: u16 = 256;
const LEAST_SLOTS: u16 = 16;
/// The header before every frame (virtio 1.2, 5.1.6).
const HEADER_BYTES: usize = 12;
const ETHERNET_HEADER_BYTES: usize = 14;
/// What a host without an opinion carries.
const DEFAULT_MTU: usize = 1500;
/// The greatest frame that we set memory aside for.
const LARGEST_MTU: usize = 9216;

/// Of so many frames that wait for the wire one may be large, for the device to cut into segments.
const SLOTS_PER_LARGE: usize = 16;
/// The greatest of them, Ethernet's header included.
pub(super) const LARGE_FRAME_BYTES: usize = 60 << 10;

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;

/// Features (virtio 1.2, 5.1.3 and 6).
mod feature {
    pub(super) const CHECKSUM: u64 = 1 << 0;
    pub(super) const GUEST_CHECKSUM: u64 = 1 << 1;
    pub(super) const MTU: u64 = 1 << 3;
    pub(super) const MAC: u64 = 1 << 5;
    pub(super) const SEGMENTS_IPV4: u64 = 1 << 11;
    pub(super) const SEGMENTS_IPV6: u64 = 1 << 12;
    pub(super) const STATUS: u64 = 1 << 16;
    pub(super) const EVENT_INDEX: u64 = 1 << 29;
    pub(super) const VERSION_1: u64 = 1 << 32;
    pub(super) const ACCESS_PLATFORM: u64 = 1 << 33;
}

const WANTED: u64 = feature::CHECKSUM
    | feature::GUEST_CHECKSUM
    | feature::MTU
    | feature::MAC
    | feature::SEGMENTS_IPV4
    | feature::SEGMENTS_IPV6
    | feature::STATUS
    | feature::EVENT_INDEX
    | feature::VERSION_1
    | feature::ACCESS_PLATFORM;

const SEGMENTS_AS_IPV4: u8 = 1;
const SEGMENTS_AS_IPV6: u8 = 4;

const NEEDS_CHECKSUM: u8 = 1;
const CHECKSUM_VALID: u8 = 2;

/// A frame in its slot, taken from the device and not yet given back.
pub(super) struct Received {
    slot: u16,
    length: usize,
    /// Whether the host vouches for the checksum: it was checked, or the packet never saw a wire.
    pub(super) is_intact: bool,
}

/// The card.
pub(super) struct Nic {
    transport: Transport,
    features: u64,
    receive: Ring,
    transmit: Ring,
    received: DeviceMemory,
    sent: DeviceMemory,
    slot_bytes: usize,
    free: Vec<u16>,
    large: Option<Large>,
    mtu: usize,
}

/// Memory for large frames: which slot has which, and which are free.
struct Large {
    memory: DeviceMemory,
    of_slot: Vec<Option<usize>>,
    free: Vec<usize>,
}

impl Large {
    const BYTES: usize = (HEADER_BYTES + LARGE_FRAME_BYTES).next_multiple_of(256);

    fn new(slots: u16) -> Self {
        let parts = Self::parts(slots);
        let memory = DeviceMemory::allocate(parts * Self::BYTES);
        Self { memory, of_slot: vec![None; usize::from(slots)], free: (0..parts).collect() }
    }

    /// How many there are beside so many slots.
    fn parts(slots: u16) -> usize {
        (usize::from(slots) / SLOTS_PER_LARGE).max(1)
    }

    fn reset(&mut self) {
        self.of_slot.fill(None);
        self.free = (0..Self::parts(self.of_slot.len() as u16)).collect();
    }
}

impl Nic {
    /// Brings the card up. `None` if the device does not speak virtio 1 or refuses what we need.
    pub(super) fn start(transport: Transport) -> Option<Self> {
        let features = Self::agree(&transport)?;
        let mtu = Self::read_mtu(&transport, features);
        let event_index = features & feature::EVENT_INDEX != 0;
        let slot_bytes = (HEADER_BYTES + ETHERNET_HEADER_BYTES + mtu).next_multiple_of(256);
        let most = most_slots(slot_bytes, memory::left_for_card());
        let slots = |queue| most.min(transport.queue_size(queue));
        let (inbound, outbound) = (slots(RECEIVE), slots(TRANSMIT));
        if inbound == 0 || outbound == 0 {
            return None;
        }
        let mut nic = Self {
            features,
            receive: Ring::new(inbound, RECEIVE, event_index),
            transmit: Ring::new(outbound, TRANSMIT, event_index),
            received: DeviceMemory::allocate(usize::from(inbound) * slot_bytes),
            sent: DeviceMemory::allocate(usize::from(outbound) * slot_bytes),
            slot_bytes,
            free: Vec::with_capacity(usize::from(outbound)),
            large: segments(features).then(|| Large::new(outbound)),
            mtu,
            transport,
        };
        nic.open_queues();
        Some(nic)
    }

    fn agree(transport: &Transport) -> Option<u64> {
        if !transport.reset() {
            return None;
        }
        transport.add_status(status::ACKNOWLEDGE);
        transport.add_status(status::DRIVER);
        let features = transport.negotiate(WANTED, feature::VERSION_1 | feature::MAC);
        if features.is_none() {
            transport.add_status(status::FAILED);
        }
        features
    }

    fn read_mtu(transport: &Transport, features: u64) -> usize {
        if features & feature::MTU == 0 {
            return DEFAULT_MTU;
        }
        let offered = u16::from_le_bytes([transport.configuration(10), transport.configuration(11)]);
        usize::from(offered).clamp(1280, LARGEST_MTU)
    }

    fn open_queues(&mut self) {
        self.transport.watch_configuration();
        self.transport.start_queue(&mut self.receive);
        self.transport.start_queue(&mut self.transmit);
        self.transmit.disarm();
        for slot in 0..self.receive.size() {
            let physical = self.received.physical(usize::from(slot) * self.slot_bytes);
            self.receive.describe(slot, physical, self.slot_bytes as u32, true);
            self.receive.offer(slot);
        }
        if let Some(large) = &mut self.large {
            large.reset();
        }
        self.free.clear();
        self.free.extend(0..self.transmit.size());
        self.transport.add_status(status::DRIVER_OK);
        self.receive.publish();
    }

    /// Starts over after the device asked for it, in the same memory. Frames under way are lost, as on a wire. False if it
    /// does not come back.
    pub(super) fn recover(&mut self) -> bool {
        if self.transport.status() & status::NEEDS_RESET == 0 {
            return true;
        }
        warn!("the network card asks for a reset");
        let Some(features) = Self::agree(&self.transport) else { return false };
        self.features = features;
        let event_index = features & feature::EVENT_INDEX != 0;
        self.receive.restart(event_index);
        self.transmit.restart(event_index);
        self.open_queues();
        true
    }

    pub(super) fn mac(&self) -> [u8; 6] {
        core::array::from_fn(|byte| self.transport.configuration(byte))
    }

    /// The greatest IP packet, in bytes.
    pub(super) fn mtu(&self) -> usize {
        self.mtu
    }

    pub(super) fn interrupts(&self) -> Interrupts {
        self.transport.interrupts()
    }

    /// Whether checksums of what we send may be left to the device.
    pub(super) fn completes_checksums(&self) -> bool {
        self.features & feature::CHECKSUM != 0
    }

    /// Whether the device cuts large frames of IPv4 and of IPv6.
    pub(super) fn segments(&self) -> [bool; 2] {
        let has = |feature| self.large.is_some() && self.features & feature != 0;
        [has(feature::SEGMENTS_IPV4), has(feature::SEGMENTS_IPV6)]
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.features & feature::STATUS == 0 || self.transport.configuration(6) & 1 != 0
    }

    /// Answers an interrupt. True if the configuration may have changed.
    pub(super) fn acknowledge(&self) -> bool {
        self.transport.acknowledge()
    }

    /// Takes the next frame.
    pub(super) fn take(&mut self) -> Option<Received> {
        loop {
            let (slot, written) = self.receive.take_used()?;
            if written > HEADER_BYTES + ETHERNET_HEADER_BYTES && written <= self.slot_bytes {
                let flags = self.received.bytes(usize::from(slot) * self.slot_bytes, 1)[0];
                let is_intact = flags & (NEEDS_CHECKSUM | CHECKSUM_VALID) != 0;
                return Some(Received { slot, length: written - HEADER_BYTES, is_intact });
            }
            self.receive.offer(slot);
        }
    }

    /// The bytes of a frame that was taken.
    pub(super) fn bytes(&self, frame: &Received) -> &[u8] {
        self.received.bytes(usize::from(frame.slot) * self.slot_bytes + HEADER_BYTES, frame.length)
    }

    /// Gives a frame's slot back to the device.
    pub(super) fn release(&mut self, frame: Received) {
        self.receive.offer(frame.slot);
    }

    /// Whether a frame could be sent now.
    pub(super) fn has_room(&mut self) -> bool {
        if !self.has_slots() {
            self.reclaim();
        }
        self.has_slots()
    }

    /// Nobody knows yet whether the next frame is large, so room is room for either.
    fn has_slots(&self) -> bool {
        !self.free.is_empty() && self.large.as_ref().is_none_or(|large| !large.free.is_empty())
    }

    fn reclaim(&mut self) {
        while let Some((slot, _)) = self.transmit.take_used() {
            self.free.push(slot);
            if let Some(large) = &mut self.large
                && let Some(part) = large.of_slot[usize::from(slot)].take()
            {
                large.free.push(part);
            }
        }
    }

    /// Fills a frame of `length` bytes and queues it; where `segment_bytes` are given, to be cut into segments of that
    /// size. Call only where `has_room` said so.
    pub(super) fn send<R>(
        &mut self,
        length: usize,
        segment_bytes: Option<u16>,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let slot = self.free.pop().expect("has_room was asked");
        let (memory, start) = match &mut self.large {
            Some(large) if HEADER_BYTES + length > self.slot_bytes => {
                let part = large.free.pop().expect("has_room was asked");
                large.of_slot[usize::from(slot)] = Some(part);
                (&mut large.memory, part * Large::BYTES)
            }
            _ => (&mut self.sent, usize::from(slot) * self.slot_bytes),
        };
        let (header, frame) = memory.bytes_mut(start, HEADER_BYTES + length).split_at_mut(HEADER_BYTES);
        let result = fill(frame);
        header.fill(0);
        if self.features & feature::CHECKSUM != 0
            && let Some(checked) = frame::transport(frame)
        {
            leave_checksum(header, frame, checked);
            if let Some(bytes) = segment_bytes {
                leave_segmentation(header, frame, checked, bytes);
            }
        }
        let bytes = (HEADER_BYTES + length) as u32;
        let physical = memory.physical(start);
        self.transmit.describe(slot, physical, bytes, false);
        self.transmit.offer(slot);
        result
    }

    /// Shows the device what was queued and what was given back.
    pub(super) fn publish(&mut self) {
        self.transmit.publish();
        self.receive.publish();
    }

    /// Whether a frame waits.
    pub(super) fn has_frames(&self) -> bool {
        self.receive.has_used()
    }

    /// Asks for an interrupt at the next frame, and for one when there is room again if there is none now.
    /// False if there is something to do already.
    pub(super) fn arm(&mut self) -> bool {
        let is_full = !self.has_room();
        (!is_full || self.transmit.arm()) && self.receive.arm()
    }

    /// Asks for no interrupts.
    pub(super) fn disarm(&mut self) {
        self.receive.disarm();
    }
}

/// As many slots, a power of two, as there is memory for.
fn most_slots(slot_bytes: usize, memory_bytes: usize) -> u16 {
    let takes = |slots: u16| 2 * usize::from(slots) * slot_bytes + Large::parts(slots) * Large::BYTES;
    let mut slots = MOST_SLOTS;
    while slots > LEAST_SLOTS && takes(slots) > memory_bytes {
        slots /= 2;
    }
    slots
}

fn segments(features: u64) -> bool {
    features & feature::CHECKSUM != 0 && features & (feature::SEGMENTS_IPV4 | feature::SEGMENTS_IPV6) != 0
}

/// Tells the device how to cut a frame: the headers to repeat and the bytes of each segment (virtio 1.2, 5.1.6.2).
fn leave_segmentation(header: &mut [u8], frame: &[u8], checked: Checked, segment_bytes: u16) {
    let is_ipv6 = frame[12] == 0x86;
    let headers = checked.start + usize::from(frame[checked.start + 12] >> 4) * 4;
    header[1] = if is_ipv6 { SEGMENTS_AS_IPV6 } else { SEGMENTS_AS_IPV4 };
    header[2..4].copy_from_slice(&(headers as u16).to_le_bytes());
    header[4..6].copy_from_slice(&segment_bytes.to_le_bytes());
}

/// Tells the device which checksum to complete (virtio 1.2, 5.1.6.2).
fn leave_checksum(header: &mut [u8], frame: &mut [u8], checked: Checked) {
    checked.prepare_checksum(frame);
    header[0] = NEEDS_CHECKSUM;
    header[6..8].copy_from_slice(&(checked.start as u16).to_le_bytes());
    header[8..10].copy_from_slice(&(checked.checksum_offset() as u16).to_le_bytes());
}
