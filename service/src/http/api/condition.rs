//! Conditions of a program's request (RFC 9110, 13.1). Nothing here has an entity tag: a post has a version, which an edit
//! sends.
//!
//! Invariant: where a condition does not hold, nothing is written.

use axum::extract::FromRequestParts;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::http::error::Error;
use crate::http::headers::list;

const NO_TAGS: &str = "Nothing here has an entity tag: an edit sends the version that it is of.";

/// That what the request is about may be changed as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unconditional;

impl<S: Sync> FromRequestParts<S> for Unconditional {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let refused = || Error::Refused(StatusCode::PRECONDITION_FAILED, NO_TAGS.into());
        holds(&parts.headers).then_some(Self).ok_or_else(refused)
    }
}

/// Whether the conditions hold of something that is there and has no tag: then only "any" matches.
fn holds(headers: &HeaderMap) -> bool {
    let any = |name| list(headers, &name).map(|tags| tags.split(',').any(|tag| tag.trim() == "*"));
    any(IF_MATCH) != Some(false) && any(IF_NONE_MATCH) != Some(true)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_any_tag_matches() {
        for (name, tags, expected) in [
            (IF_MATCH, "*", true),
            (IF_MATCH, "\"a\"", false),
            (IF_MATCH, "nonsense", false),
            (IF_NONE_MATCH, "*", false),
            (IF_NONE_MATCH, "\"a\", W/\"b\"", true),
        ] {
            let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(tags))]);
            assert_eq!(holds(&headers), expected, "{name}: {tags}");
        }
        assert!(holds(&HeaderMap::new()));
    }
}
