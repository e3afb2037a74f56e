//! The two texts that a machine is started with: boot arguments and configuration file.
//!
//! Invariant: what is passed on is within its limit and is what was sealed, if it was.

use crate::Refusal;

/// The longest line of boot arguments: the limit of Linux's command line on other machines, twice.
pub const ARGUMENTS_LIMIT_BYTES: usize = 4096;
/// The largest configuration file: certificates and keys take a few KiB.
pub const CONFIGURATION_LIMIT_BYTES: usize = 64 * 1024;

/// Boot arguments out of their file: one line, without its line feed.
///
/// # Errors
/// When it is too long, damaged, or not one line of printable text.
pub fn arguments(file: &[u8]) -> Result<&str, Refusal> {
    if file.len() > ARGUMENTS_LIMIT_BYTES {
        return Err(Refusal::ArgumentsTooLong);
    }
    let line = seal::open_text(file).map_err(|_| Refusal::ArgumentsBroken)?;
    let line = core::str::from_utf8(line).map_err(|_| Refusal::ArgumentsBroken)?.trim();
    if line.chars().any(char::is_control) { Err(Refusal::ArgumentsBroken) } else { Ok(line) }
}

/// The configuration out of its file; an image has an empty file to be replaced.
///
/// # Errors
/// When it is too long or damaged.
pub fn configuration(file: &[u8]) -> Result<&[u8], Refusal> {
    if file.len() > CONFIGURATION_LIMIT_BYTES {
        return Err(Refusal::ConfigurationTooLong);
    }
    seal::open_text(file).map_err(|_| Refusal::ConfigurationBroken)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn sealed(content: &[u8]) -> Vec<u8> {
        [content, &seal::line(content)].concat()
    }

    #[test]
    fn arguments_are_one_line() {
        assert_eq!(arguments(b"env=A=B -- /boot/config.toml\n"), Ok("env=A=B -- /boot/config.toml"));
        assert_eq!(arguments(b"a\nb\n"), Err(Refusal::ArgumentsBroken));
        assert_eq!(arguments(&[b'a'; 4097]), Err(Refusal::ArgumentsTooLong));
    }

    #[test]
    fn one_changed_byte_anywhere_in_a_sealed_text_is_found() {
        let good = sealed(b"host = \"www.foobar.com\"\n");
        assert_eq!(configuration(&good), Ok(&b"host = \"www.foobar.com\"\n"[..]));
        for place in 0..good.len() - seal::LINE_BYTES {
            let mut bad = good.clone();
            bad[place] ^= 1;
            assert_eq!(configuration(&bad), Err(Refusal::ConfigurationBroken), "byte {place}");
        }
    }

    #[test]
    fn a_configuration_needs_no_seal_but_has_a_limit() {
        assert_eq!(configuration(b""), Ok(&b""[..]));
        assert_eq!(configuration(b"host = \"a\"\n"), Ok(&b"host = \"a\"\n"[..]));
        assert_eq!(configuration(&[b' '; 65_537]), Err(Refusal::ConfigurationTooLong));
    }
}
