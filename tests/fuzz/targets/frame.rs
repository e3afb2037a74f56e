//! A stranger's Ethernet frame: the guest compiles the same file.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../../image/kernel/files/src/net/frame.rs"]
mod frame;

use frame::{Frame, Transport, classify, concerns_neighbor, transport};

fuzz_target!(|bytes: &[u8]| {
    concerns_neighbor(bytes);
    if let Some(leaving) = transport(bytes) {
        let mut prepared = bytes.to_vec();
        if leaving.end - leaving.start >= leaving.checksum_offset() + 2 {
            leaving.prepare_checksum(&mut prepared);
        }
    }
    match classify(bytes) {
        Frame::Tcp { transport, .. } | Frame::Udp(transport) => lies_within(&transport, bytes),
        Frame::Neighbor | Frame::Other | Frame::Refused => {}
    }
});

fn lies_within(transport: &Transport, bytes: &[u8]) {
    assert!(transport.start <= transport.end && transport.end <= bytes.len(), "{transport:?}");
    transport.is_intact(bytes);
}
