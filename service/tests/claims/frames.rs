//! HTTP/2 by hand: frames that no client library would send, or not in this order (RFC 9113).

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::fixture::HOST;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A whole HTTP/2 frame (RFC 9113, 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// What the service says next on this connection: a frame's kind, stream and payload.
pub(crate) async fn next_frame(stream: &mut (impl AsyncRead + Unpin)) -> (u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.unwrap();
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

/// SETTINGS of a client that takes nothing of any answer's body: SETTINGS_INITIAL_WINDOW_SIZE is 0 (RFC 9113, 6.5.2).
pub(crate) fn closed_window() -> Vec<u8> {
    frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])
}

/// GET over https (RFC 7541, appendix A), each other field as a literal.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut fields = vec![0x82, 0x87];
    for (index, value) in [(0x04, path), (0x01, HOST)] {
        fields.extend_from_slice(&[index, u8::try_from(value.len()).unwrap()]);
        fields.extend_from_slice(value.as_bytes());
    }
    frame(1, 5, stream, &fields)
}

/// The head of a POST of a form over https, whose body is awaited (RFC 7541, appendix A).
pub(crate) fn form(stream: u32, path: &str) -> Vec<u8> {
    let mut fields = vec![0x83, 0x87];
    for (index, value) in
        [(&[0x04][..], path), (&[0x01], HOST), (&[0x0f, 0x10], "application/x-www-form-urlencoded")]
    {
        fields.extend_from_slice(index);
        fields.push(u8::try_from(value.len()).unwrap());
        fields.extend_from_slice(value.as_bytes());
    }
    frame(1, 4, stream, &fields)
}
