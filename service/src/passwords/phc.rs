//! The string format of the password hashing competition for argon2id, as far as this site writes it:
//! `$argon2id$v=19$m=12288,t=3,p=1$SALT$HASH`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// RFC 9106, 3.1: 128 bits of salt are enough for all applications.
const SALT_BYTES: usize = 16;
/// RFC 9106, 4: a tag of 256 bits.
pub(super) const HASH_BYTES: usize = 32;

/// A hash with all that it was made from but the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) output: [u8; HASH_BYTES],
}

impl Hash {
    /// Salt and output are still zeros.
    pub(super) fn blank(memory_kib: u32, passes: u32, lanes: u32) -> Self {
        Self { memory_kib, passes, lanes, salt: [0; SALT_BYTES], output: [0; HASH_BYTES] }
    }

    /// `None` for anything that [`fmt::Display`] below does not write.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$argon2id$v=19$m=")?;
        let (memory_kib, rest) = rest.split_once(",t=")?;
        let (passes, rest) = rest.split_once(",p=")?;
        let (lanes, rest) = rest.split_once('$')?;
        let (salt, output) = rest.split_once('$')?;
        Some(Self {
            memory_kib: memory_kib.parse().ok()?,
            passes: passes.parse().ok()?,
            lanes: lanes.parse().ok()?,
            salt: STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?,
            output: STANDARD_NO_PAD.decode(output).ok()?.try_into().ok()?,
        })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_kib, passes, lanes, salt, output } = self;
        let [salt, output] = [&salt[..], &output[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        write!(formatter, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(costs: [u32; 3], salt: [u8; 16], output: [u8; 32]) {
            let [memory_kib, passes, lanes] = costs;
            let hash = Hash { memory_kib, passes, lanes, salt, output };
            prop_assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(\\$argon2id\\$v=19\\$m=)?.{0,100}") {
            let _ = Hash::parse(&text);
        }
    }
}
