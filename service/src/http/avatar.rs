//! Avatars: a person's initials on a colour of their own. No picture is stored or fetched.

/// How many colours `assets/site.css` knows.
const COLOURS: u32 = 6;

/// One or two letters and a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Avatar {
    pub(super) initials: String,
    pub(super) colour: u32,
}

impl Avatar {
    /// Of the person with this name on pages.
    pub(super) fn of(display_name: &str) -> Self {
        // FNV-1a: the same name has the same colour on every machine.
        let hash = display_name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self { initials: initials(display_name), colour: hash % COLOURS }
    }
}

/// The first letters of the first and the last word.
fn initials(name: &str) -> String {
    let letters: Vec<char> = name
        .split(|character: char| !character.is_alphanumeric())
        .filter_map(|word| word.chars().next())
        .collect();
    let first = letters.first().into_iter();
    let last = letters.get(1..).and_then(<[char]>::last);
    first.chain(last).flat_map(|letter| letter.to_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_those_of_the_first_and_the_last_word() {
        for (name, letters) in [
            ("Ada Lovelace", "AL"),
            ("ada", "A"),
            ("jean-paul van der berg", "JB"),
            ("Ünal Öz", "ÜÖ"),
            ("世界", "世"),
            ("!?", ""),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }
}
