//! Who a program writes for: the token in `Authorization: Bearer …`.
//!
//! Invariant: a cookie gives no rights here, so a page of another site cannot make a browser write. A token that is
//! damaged, forged, expired, revoked or sent twice is nobody's.

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use crate::http::Site;
use crate::http::error::Error;
use crate::http::headers::bearer;

/// By this, people and scanners of leaked secrets know what they look at.
const PREFIX: &str = "bootstack_";
const TOKEN_BYTES: usize = 32;

/// The id of the user in whose name the request comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder(pub(super) u64);

impl FromRequestParts<Site> for Holder {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Error> {
        let refusal = || Error::NoToken { sent: parts.headers.contains_key(AUTHORIZATION) };
        let hash = hash(&parts.headers).ok_or_else(refusal)?;
        site.database.token_holder(&hash).await?.map(Self).ok_or_else(refusal)
    }
}

/// A new token, and its hash.
pub(in crate::http) fn fresh() -> Result<(String, [u8; 32]), Error> {
    let mut token = [0; TOKEN_BYTES];
    getrandom::fill(&mut token)?;
    Ok((format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token)), Sha256::digest(token).into()))
}

/// The hash of the request's token, when it has exactly one of the right form.
fn hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    let token = URL_SAFE_NO_PAD.decode(bearer(headers)?.strip_prefix(PREFIX)?).ok()?;
    Some(Sha256::digest(<[u8; TOKEN_BYTES]>::try_from(token).ok()?).into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn sent(lines: &[&str]) -> Option<[u8; 32]> {
        hash(&lines.iter().map(|line| (AUTHORIZATION, HeaderValue::from_str(line).unwrap())).collect())
    }

    #[test]
    fn a_fresh_token_is_found_and_no_two_are_equal() {
        let (token, expected) = fresh().unwrap();
        for scheme in ["Bearer", "bearer", "BEARER "] {
            assert_eq!(sent(&[&format!("{scheme} {token}")]), Some(expected), "{scheme}");
        }
        assert_ne!(fresh().unwrap().0, token);
    }

    #[test]
    fn a_damaged_or_doubled_token_is_nobodys() {
        let (token, _) = fresh().unwrap();
        for line in [
            token.clone(),
            format!("Basic {token}"),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Bearer {PREFIX}"),
            format!("Bearer {}", &token[PREFIX.len()..]),
            format!("Bearer {token}A"),
            format!("Bearer {token}="),
            format!("Bearer {token} "),
            format!("Bearer {}", &token[..token.len() - 1]),
            format!("Bearer {}", token.to_uppercase()),
        ] {
            assert_eq!(sent(&[&line]), None, "{line}");
        }
        let line = format!("Bearer {token}");
        assert_eq!(sent(&[&line, &line]), None);
    }
}
