//! The card as smoltcp sees it: at most one received frame, which the caller chose, and room to send.
//!
//! It does not fetch frames itself: the stack looks at each one first and picks the sockets that may see it.
//!
//! Invariant: the frame's slot is not given back while smoltcp reads it.

use core::num::{NonZeroU16, NonZeroUsize};

use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;

use super::frame;
use super::nic::{LARGE_FRAME_BYTES, Nic, Received};

/// The card, and the frame to hand over.
pub(super) struct Port<'a> {
    nic: &'a mut Nic,
    frame: Option<&'a Received>,
    /// Whether a neighbour was asked for its address, in place of what was to be sent.
    pub(super) asked_neighbor: bool,
}

impl<'a> Port<'a> {
    /// To send only.
    pub(super) fn sending(nic: &'a mut Nic) -> Self {
        Self { nic, frame: None, asked_neighbor: false }
    }

    /// To hand over `frame` and send what answers it.
    pub(super) fn receiving(nic: &'a mut Nic, frame: &'a Received) -> Self {
        Self { nic, frame: Some(frame), asked_neighbor: false }
    }
}

impl Device for Port<'_> {
    type RxToken<'a>
        = Inbound<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Outbound<'a>
    where
        Self: 'a;

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.nic)
    }

    fn receive(&mut self, _now: Instant) -> Option<(Inbound<'_>, Outbound<'_>)> {
        if !self.nic.has_room() {
            return None;
        }
        let bytes: *const [u8] = self.nic.bytes(self.frame.take()?);
        // Safety: received frames lie in other memory than sent ones, and the slot stays ours until it is released,
        // which needs the `Nic` that this port borrows.
        let bytes = unsafe { &*bytes };
        Some((
            Inbound(bytes),
            Outbound { nic: self.nic, asked_neighbor: &mut self.asked_neighbor, segment_bytes: None },
        ))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Outbound<'_>> {
        if !self.nic.has_room() {
            return None;
        }
        Some(Outbound { nic: self.nic, asked_neighbor: &mut self.asked_neighbor, segment_bytes: None })
    }
}

/// What the card does by itself. Received checksums were judged before smoltcp sees a frame.
pub(super) fn capabilities(nic: &Nic) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = nic.mtu() + 14;
    let computed = if nic.completes_checksums() { Checksum::None } else { Checksum::Tx };
    capabilities.checksum.tcp = computed;
    capabilities.checksum.udp = computed;
    let [ipv4, ipv6] = nic.segments();
    capabilities.segmentation.tcpv4 = NonZeroUsize::new(LARGE_FRAME_BYTES).filter(|_| ipv4);
    capabilities.segmentation.tcpv6 = NonZeroUsize::new(LARGE_FRAME_BYTES).filter(|_| ipv6);
    capabilities
}

/// A received frame.
pub(super) struct Inbound<'a>(&'a [u8]);

impl phy::RxToken for Inbound<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for one frame.
pub(super) struct Outbound<'a> {
    nic: &'a mut Nic,
    asked_neighbor: &'a mut bool,
    segment_bytes: Option<u16>,
}

impl phy::TxToken for Outbound<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let asked_neighbor = self.asked_neighbor;
        self.nic.send(length, self.segment_bytes, |frame| {
            let result = fill(frame);
            *asked_neighbor |= frame::concerns_neighbor(frame);
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment_bytes = meta.segmentation_offload_size.map(NonZeroU16::get);
    }
}
