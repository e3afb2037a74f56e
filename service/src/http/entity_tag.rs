//! Entity tags: whether a client has what it asks for (RFC 9110, 13.1).

use http::{HeaderMap, HeaderName};

use super::headers;

/// Whether the list in a header names the entity tag, if the header is there.
pub(super) fn named(
    asked: &HeaderMap,
    name: &HeaderName,
    etag: &str,
    matches: fn(&str, &str) -> bool,
) -> Option<bool> {
    headers::list(asked, name).map(|list| matches(&list, etag))
}

/// Whether the list in `If-None-Match` names this entity tag (weak comparison) or any (`*`).
pub(super) fn matches(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item) == etag)
}

/// Whether the list in `If-Match` names this entity tag (strong comparison) or any (`*`).
pub(super) fn matches_strongly(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|item| item == "*" || item == etag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entity_tag_is_found_in_a_list_only_whole() {
        assert!(matches(r#""a", W/"b""#, r#""b""#));
        assert!(matches("*", r#""b""#));
        assert!(!matches(r#""abc""#, r#""b""#));
        assert!(!matches("b", r#""b""#));
        assert!(matches_strongly(r#""a", "b""#, r#""b""#) && matches_strongly("*", r#""b""#));
        assert!(!matches_strongly(r#"W/"b""#, r#""b""#));
    }

    proptest! {
        #[test]
        fn a_tag_alone_in_any_list_is_found(before in "(\"[a-z]{0,5}\", ?){0,3}", tag in "\"[a-z]{6}\"") {
            let list = format!("{before}{tag}");
            prop_assert!(matches(&list, &tag));
        }
    }
}
