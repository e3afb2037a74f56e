//! What the kernel reads of a stranger's frame, judged on the host: the guest compiles the same file.
//!
//! It boots nothing and needs no network.
//! Invariant: whatever the bytes, reading ends without a panic and points only into the frame.

#[allow(dead_code)]
#[path = "../kernel/files/src/net/frame.rs"]
mod frame;

use frame::{Flow, Frame, Segment, TCP, Transport, classify, flags};

const ETHERNET_BYTES: usize = 14;

/// A frame of a TCP segment from 192.0.2.1:40000 to 198.51.100.7:443, its checksum right.
fn segment(payload: &[u8]) -> Vec<u8> {
    let total = (20 + 20 + payload.len()) as u16;
    let mut frame = vec![0; ETHERNET_BYTES];
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, TCP, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7]);
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame.extend([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags::SYN, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload);
    let sum = !slow_sum(&frame[26..34], &frame[34..]);
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// The checksum word by word, as RFC 1071 describes it, over an IPv4 pseudo-header and a segment.
fn slow_sum(addresses: &[u8], part: &[u8]) -> u16 {
    let mut words = addresses.to_vec();
    words.extend([0, TCP]);
    words.extend((part.len() as u16).to_be_bytes());
    words.extend(part);
    let mut total: u32 = words
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)])))
        .sum();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

fn transport(frame: &[u8]) -> Transport {
    match classify(frame) {
        Frame::Tcp { transport, .. } | Frame::Udp(transport) => transport,
        other => panic!("expected a transport, found {other:?}"),
    }
}

#[test]
fn a_segment_names_its_flow() {
    let flow =
        Flow { remote: 0xffff_c000_0201, local: 0xffff_c633_6407, remote_port: 40_000, local_port: 443 };
    let Frame::Tcp { flow: found, segment: said, .. } = classify(&segment(b"")) else {
        panic!("not taken for a segment");
    };
    assert_eq!((found, said), (flow, Segment { flags: flags::SYN, has_payload: false }));
}

#[test]
fn a_segment_says_whether_it_carries_something() {
    for (payload, expected) in [(&b""[..], false), (b".", true)] {
        let Frame::Tcp { segment: said, .. } = classify(&segment(payload)) else {
            panic!("not taken for a segment");
        };
        assert_eq!(said.has_payload, expected, "{payload:?}");
    }
}

#[test]
fn padding_behind_a_packet_is_not_part_of_it() {
    let mut frame = segment(b"abc");
    let end = frame.len();
    frame.extend([0xee; 20]);
    assert_eq!(transport(&frame).end, end);
    assert!(transport(&frame).is_intact(&frame));
}

#[test]
fn checksums_of_every_length_are_told_right_from_wrong() {
    for length in 0..200 {
        let payload: Vec<u8> = (0..length).map(|byte| byte as u8 ^ 0xa5).collect();
        let mut frame = segment(&payload);
        assert!(transport(&frame).is_intact(&frame), "{length} bytes");
        let last = frame.len() - 1;
        frame[last] ^= 0x10;
        assert!(!transport(&frame).is_intact(&frame), "{length} bytes, the last one damaged");
    }
}

#[test]
fn a_device_completes_the_checksum_that_was_left_to_it() {
    let mut frame = segment(b"left to the device");
    let right = frame[50..52].to_vec();
    let transport = transport(&frame);
    transport.prepare_checksum(&mut frame);
    let completed = !slow_sum_plain(&frame[transport.start..transport.end]);
    assert_eq!(completed.to_be_bytes().to_vec(), right);
}

/// What the device does: sums from the start of the segment, the prepared field included.
fn slow_sum_plain(part: &[u8]) -> u16 {
    let total = part
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)])))
        .sum::<u32>();
    let folded = (total & 0xffff) + (total >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

#[test]
fn fragments_and_broken_headers_are_refused() {
    let whole = segment(b"payload");
    let broken: [(usize, u8, &str); 5] = [
        (20, 0x20, "more fragments follow"),
        (21, 0x01, "a later fragment"),
        (14, 0x44, "a header shorter than a header"),
        (17, 0xff, "longer than the frame"),
        (23, 250, "an unknown protocol"),
    ];
    for (at, byte, what) in broken {
        let mut frame = whole.clone();
        frame[at] = byte;
        assert_eq!(classify(&frame), Frame::Refused, "{what}");
    }
}

#[test]
fn no_bytes_make_it_read_outside_the_frame() {
    let whole = segment(&[7; 40]);
    for length in 0..whole.len() {
        read_everything(&whole[..length]);
    }
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200_000 {
        let mut frame = whole.clone();
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = state as usize % frame.len();
            frame[at] = (state >> 32) as u8;
        }
        frame.truncate(1 + (state >> 40) as usize % frame.len());
        // Half of them claim IPv6.
        if state & 1 == 0 && frame.len() > ETHERNET_BYTES {
            frame[12..14].copy_from_slice(&[0x86, 0xdd]);
            frame[14] = 0x60;
        }
        read_everything(&frame);
    }
}

fn read_everything(frame: &[u8]) {
    if let Frame::Tcp { transport, .. } | Frame::Udp(transport) = classify(frame) {
        assert!(transport.start < transport.end && transport.end <= frame.len());
        let _ = transport.is_intact(frame);
        let mut copy = frame.to_vec();
        transport.prepare_checksum(&mut copy);
    }
    frame::concerns_neighbor(frame);
}
