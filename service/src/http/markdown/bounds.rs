//! How much HTML a text may become, and how many nodes in memory on the way.
//!
//! It knows nothing of what is written. Invariant: both are at most a small multiple of the text.

use std::fmt::{self, Write};

/// What a character may become, in bytes. A table of single digits takes seven for each; plain text never more than six.
const BYTES_PER_CHAR: usize = 8;
/// What a text may become beyond that: a single character may be a list.
const BYTES_AT_LEAST: usize = 500;
/// The cells that tables may have for each character of a text. Cells that are missing from a row are filled in, up to a
/// quarter of a million of them (pulldown-cmark), each a node in memory before anything is written.
const CELLS_PER_CHAR: usize = 4;

pub(super) fn most_bytes(text: &str) -> usize {
    text.len() + text.chars().count() * BYTES_PER_CHAR + BYTES_AT_LEAST
}

/// HTML that refuses to grow beyond a size.
pub(super) struct Bounded {
    pub(super) html: String,
    pub(super) most: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.html.len() + piece.len() > self.most {
            return Err(fmt::Error);
        }
        self.html.push_str(piece);
        Ok(())
    }
}

/// Whether tables could have far more cells than are written, by the most that one could have: as many columns as the
/// widest line under a table's head, which has no letters, and a row for each line of the text.
pub(super) fn may_multiply(text: &str) -> bool {
    let lines = || text.split(['\n', '\r']);
    let columns = lines()
        .filter(|line| !line.contains(char::is_alphabetic))
        .map(|line| line.bytes().filter(|byte| *byte == b'|').count() + 1);
    columns.max().unwrap_or_default() * lines().count() > text.chars().count() * CELLS_PER_CHAR
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::faults;
    use super::super::{events, html};
    use super::*;

    /// The smallest bodies that were found to make the largest pages.
    fn bombs() -> Vec<String> {
        vec![
            format!("{}\n{}\n{}", "a|".repeat(1000), "-|".repeat(1000), "b\n".repeat(2950)),
            format!("{}\n{}\n{}", "a|".repeat(350), "-|".repeat(350), "b\n".repeat(295)),
            format!("> {}\n> {}\n{}", "a|".repeat(1000), "-|".repeat(1000), "> b\n".repeat(1450)),
            ">".repeat(10_000),
            "- ".repeat(5000),
            "&".repeat(10_000),
            format!("[a]: <https://example.com/{}>\n\n{}", "x".repeat(4000), "[a] ".repeat(1400)),
            "[](a)".repeat(2000),
        ]
    }

    #[test]
    fn no_text_multiplies() {
        for text in bombs() {
            let page = html(&text);
            assert!(page.len() <= most_bytes(&text), "{} bytes of {}: {:.40}", page.len(), text.len(), text);
            assert_eq!(faults(&page), Vec::<String>::new(), "{text:.40}");
            let events = events(&text).count();
            assert!(events <= 10 * text.len() + 10, "{events} events of {} bytes: {text:.40}", text.len());
        }
    }

    #[test]
    fn what_would_multiply_is_shown_as_it_was_written() {
        assert_eq!(html(&">".repeat(1000)), format!("<pre>{}</pre>\n", "&gt;".repeat(1000)));
        let table = "|1|2|3|\n|-|-|-|\n".to_owned() + &"|4|5|6|\n".repeat(500);
        assert_eq!(html(&table).matches("<td>").count(), 1500);
        let short =
            "|1|2|3|4|5|6|7|8|\n|-|-|-|-|-|-|-|-|\n|a|\n\n".to_owned() + &"A line below.\n".repeat(300);
        assert_eq!(html(&short).matches("<td>").count(), 8);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_pattern_multiplies(
            parts in prop::collection::vec(
                ("[\\[\\]()<>!*_`#&:\"=/\\\\ \na1|~-]{1,8}", 1_usize..400).prop_map(|(part, times)| part.repeat(times)),
                1..4,
            )
        ) {
            let text = parts.concat();
            let page = html(&text);
            prop_assert!(page.len() <= most_bytes(&text), "{} bytes of {}", page.len(), text.len());
            prop_assert_eq!(faults(&page), Vec::<String>::new(), "{:?}", text);
        }
    }
}
