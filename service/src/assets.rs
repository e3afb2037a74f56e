//! The static files, embedded and compressed when the program was built.
//!
//! Invariant: the path of a file under `/assets/` changes with its content, so it may be cached for ever.

/// One static file.
#[derive(Debug)]
pub struct Asset {
    /// The file's name in `service/assets`.
    pub name: &'static str,
    /// The path at which it is served.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// The SHA-256 of its bytes, in hex.
    pub hash: &'static str,
    /// Its bytes in each encoding, best first; the last is always `identity`.
    pub encodings: &'static [Encoded],
}

/// A file's bytes in one content encoding.
#[derive(Debug)]
pub struct Encoded {
    /// As in `Content-Encoding`; `identity` for none.
    pub encoding: &'static str,
    /// The bytes.
    pub bytes: &'static [u8],
}

/// All static files.
pub static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

impl Asset {
    /// The strong validator of one representation: content and encoding (RFC 9110, 8.8.3.3).
    pub fn etag(&self, encoded: &Encoded) -> String {
        format!("\"{}-{}\"", &self.hash[..32], encoded.encoding)
    }

    /// Whether the path names the content, so that it never goes stale.
    pub fn immutable(&self) -> bool {
        self.path.starts_with("/assets/")
    }
}

/// The served path of the file with this name, for templates.
///
/// # Panics
/// When no such file was embedded: a mistake in a template, which every test that renders it shows.
pub fn path(name: &str) -> &'static str {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => asset.path,
        None => panic!("no asset named {name}"),
    }
}
