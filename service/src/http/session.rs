//! Who sends a request: the session's cookie, and the extractors that handlers ask for.
//!
//! Invariant: a token is 256 random bits that only the browser keeps; the database has its hash. A cookie that is
//! damaged, forged, expired or sent twice is nobody's.

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use sha2::{Digest as _, Sha256};

use super::Site;
use super::error::Error;
use db::sessions::{SESSION_DAYS, Viewer};
use db::users::Credentials;

/// The prefix makes browsers refuse it without `Secure`, with a `Domain`, or for another path (RFC 6265bis, 4.1.3.2).
const NAME: &str = "__Host-session";
const TOKEN_BYTES: usize = 32;
/// As the column `sessions.browser`.
const BROWSER_CHARS: usize = 120;

/// Who looks at a page; nobody in particular is fine.
#[derive(Clone, Debug)]
pub(super) struct Anyone(pub(super) Option<Viewer>);

/// Who looks at a page that is for people who are signed in.
#[derive(Clone, Debug)]
pub(super) struct SignedIn(pub(super) Viewer);

impl FromRequestParts<Site> for Anyone {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Error> {
        match token_hash(&parts.headers) {
            Some(hash) => Ok(Self(site.database.viewer(&hash).await?)),
            None => Ok(Self(None)),
        }
    }
}

impl FromRequestParts<Site> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Error> {
        match Anyone::from_request_parts(parts, site).await?.0 {
            Some(viewer) => Ok(Self(viewer)),
            None if parts.method == Method::GET || parts.method == Method::HEAD => {
                let next = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                Err(Error::SignIn { next: next.to_owned() })
            }
            None => Err(Error::SignedOut { form: form_of(parts.uri.path()).to_owned() }),
        }
    }
}

/// The page whose form is sent to this path.
fn form_of(path: &str) -> &str {
    match path {
        "/posts" => "/posts/new",
        _ if path.starts_with("/account/") => "/account",
        _ if path.starts_with("/status/") => "/status",
        _ if path.starts_with("/comments/") => "/",
        // A post's form of edits is where it is sent to; what else a post is told, its page has a form for.
        _ => path.strip_suffix("/comments").or_else(|| path.strip_suffix("/delete")).unwrap_or(path),
    }
}

/// The hash of the request's token, when it has exactly one of the right form.
pub(super) fn token_hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    // HTTP/2 may send each cookie in a header of its own (RFC 9113, 8.2.3).
    // Bytes, for a cookie of another program's beside it need not be text.
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut values =
        pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(NAME.as_bytes())?.strip_prefix(b"="));
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let token: [u8; TOKEN_BYTES] = URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
    Some(Sha256::digest(token).into())
}

/// A new session for who gave the password of `known`, in the place of the one that the request has, as the cookie to
/// set; `None` when that password is the account's no more.
pub(super) async fn begin(
    site: &Site,
    known: &Credentials,
    headers: &HeaderMap,
) -> Result<Option<(http::HeaderName, HeaderValue)>, Error> {
    let mut token = [0; TOKEN_BYTES];
    getrandom::fill(&mut token)?;
    let replaced = token_hash(headers);
    let replaced = replaced.as_ref().map(<[u8; 32]>::as_slice);
    let begun = site.database.add_session(known, &Sha256::digest(token), replaced, &browser(headers)).await?;
    Ok(begun.then(|| cookie(&URL_SAFE_NO_PAD.encode(token), u64::from(SESSION_DAYS) * 86_400)))
}

/// The cookie that makes a browser forget its session.
pub(super) fn end() -> (http::HeaderName, HeaderValue) {
    cookie("", 0)
}

fn cookie(value: &str, age_s: u64) -> (http::HeaderName, HeaderValue) {
    let text = format!("{NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={age_s}");
    // Base64 and our own words are always a valid value.
    (SET_COOKIE, HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("")))
}

/// What the browser calls itself, for the list of sessions.
fn browser(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.chars().take(BROWSER_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_found_wherever_it_stands() {
        let token = URL_SAFE_NO_PAD.encode([7; TOKEN_BYTES]);
        let hash: [u8; 32] = Sha256::digest([7; TOKEN_BYTES]).into();
        let pair = format!("{NAME}={token}");
        for headers in [cookies(&[&pair]), cookies(&[&format!("a=b; {pair}; c=d")]), cookies(&["a=b", &pair])]
        {
            assert_eq!(token_hash(&headers), Some(hash), "{headers:?}");
        }
    }

    #[test]
    fn a_neighbours_cookie_may_be_of_any_bytes() {
        let token = URL_SAFE_NO_PAD.encode([7; TOKEN_BYTES]);
        let hash: [u8; 32] = Sha256::digest([7; TOKEN_BYTES]).into();
        for neighbour in ["theme=dünkel".as_bytes(), b"theme=\xff\xfe", b"\xff"] {
            let line = [neighbour, format!("; {NAME}={token}").as_bytes()].concat();
            let headers = [(COOKIE, HeaderValue::from_bytes(&line).unwrap())].into_iter().collect();
            assert_eq!(token_hash(&headers), Some(hash), "{headers:?}");
        }
    }

    #[test]
    fn a_damaged_or_doubled_cookie_is_nobodys() {
        let token = URL_SAFE_NO_PAD.encode([7; TOKEN_BYTES]);
        for line in [
            String::new(),
            format!("{NAME}="),
            format!("{NAME}={}", &token[1..]),
            format!("{NAME}={token}A"),
            format!("{NAME}={token}="),
            format!("session={token}"),
            format!("{NAME}={token}; {NAME}={token}"),
            format!("{NAME}=\"{token}\""),
        ] {
            assert_eq!(token_hash(&cookies(&[&line])), None, "{line}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_over_https_and_not_for_scripts() {
        let (_, value) = cookie("token", 1);
        assert_eq!(value, "__Host-session=token; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1");
    }
}
