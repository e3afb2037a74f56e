//! Where a page of a list ended: an opaque word in the address of the next page.
//!
//! Invariant: a cursor is read only if this site could have written it for this list. It gives no rights: it says
//! "older than row N" of a list that its reader may read anyway, so it is checked but not signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::Error;

/// The list that a cursor belongs to; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Posts = 1,
    Comments = 2,
    Versions = 3,
}

/// For the page after the row with this number.
pub(super) fn write(list: List, row: u64) -> String {
    let mut bytes = [0; 9];
    bytes[0] = list as u8;
    bytes[1..].copy_from_slice(&row.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The row's number; `None` for anything that [`write`] has not written.
pub(super) fn read(list: List, cursor: &str) -> Option<u64> {
    // The decoder refuses padding and stray bits, so no two texts mean the same.
    let bytes: [u8; 9] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let [kind, row @ ..] = bytes;
    (kind == list as u8).then(|| u64::from_be_bytes(row))
}

/// The row's number from an optional field of a query: `first` without one, a refusal for a bad one.
pub(super) fn start(list: List, cursor: Option<&str>, first: u64) -> Result<u64, Error> {
    match cursor {
        None => Ok(first),
        Some(cursor) => read(list, cursor).ok_or_else(|| Error::bad("This page's address is damaged.")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LISTS: [List; 3] = [List::Posts, List::Comments, List::Versions];

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_row_of_its_list_only(row: u64) {
            for (written, read_as) in LISTS.into_iter().flat_map(|a| LISTS.map(|b| (a, b))) {
                let expected = (written == read_as).then_some(row);
                prop_assert_eq!(read(read_as, &write(written, row)), expected);
            }
        }

        #[test]
        fn what_is_read_was_written(text in "[A-Za-z0-9_=-]{0,16}") {
            for list in LISTS {
                if let Some(row) = read(list, &text) {
                    prop_assert_eq!(write(list, row), &text[..]);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = read(List::Posts, &text);
        }
    }
}
