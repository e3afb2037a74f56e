//! The virtual host check: only requests for this site's name are answered, and only with an address and a head of sane
//! length, and only as many at once as fit into the machine.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Version};

use super::error::Error;
use super::{Site, health, redirect};

/// What is no name of a host, or none, or two (RFC 9112, 3.2).
const NO_HOST: &str = "A request names one host, in one header.";

/// Why a request is not for this site: no host (400) or another one (421), an overlong address (414) or head (431), or one request too many
/// (503). Who comes by an alias is sent to the site's own name. Health checks come from load balancers, which know only
/// addresses: those two paths are exempt, and never one too many. `headers` are those of an answer that is made at once.
pub(super) fn refusal(
    site: &Site,
    request: &Request<Body>,
    headers: impl FnOnce() -> HeaderMap,
) -> Option<Response> {
    if let Some(refusal) = oversized(site, request) {
        return Some(refusal);
    }
    if !is_for(request, &site.shared.host) {
        if let Some(refusal) = malformed(request) {
            return Some(refusal);
        }
        if is_health(request) {
            return None;
        }
        let by_alias = site.shared.aliases.iter().any(|alias| is_for(request, alias));
        return Some(if by_alias {
            redirect::to_https(site, request.uri(), headers())
        } else {
            Error::Misdirected.into_response()
        });
    }
    // Who asks whether the machine lives would start it again: that takes nothing that others wait for.
    if is_health(request) { None } else { crowded(site) }
}

fn is_health(request: &Request<Body>) -> bool {
    health::PATHS.contains(&request.uri().path())
}

/// What is longer than the site accepts: the address or the head.
pub(super) fn oversized(site: &Site, request: &Request<Body>) -> Option<Response> {
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > site.shared.url_bytes) {
        return Some(Error::UriTooLong.into_response());
    }
    let bytes = head_bytes(request.headers());
    (bytes > site.shared.head_bytes).then(|| Error::HeadTooLarge.into_response())
}

/// Why a request is none, whoever it is for: in HTTP/1.1 it has one header `Host`, in every version at most one, and that
/// a name.
pub(super) fn malformed(request: &Request<Body>) -> Option<Response> {
    let mut headers = request.headers().get_all(HOST).iter();
    let fit = match (headers.next(), headers.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(header), None) => header.is_empty() || is_host(header.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    (!fit).then(|| Error::bad(NO_HOST).into_response())
}

/// `uri-host [ ":" port ]` (RFC 9110, 7.2).
fn is_host(named: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(named) else { return false };
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or("@");
    port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit())
}

/// One request too many.
fn crowded(site: &Site) -> Option<Response> {
    (site.shared.load.requests() > site.shared.requests).then(|| Error::Busy.into_response())
}

/// As HTTP/2 counts a list of headers (RFC 9113, 6.5.2), without the 32 bytes for each.
fn head_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// HTTP/2 sends the host in the target (`:authority`), HTTP/1.1 in a header; when both are there they must agree.
fn is_for(request: &Request<Body>, host: &str) -> bool {
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next().map(HeaderValue::as_bytes);
    let target = request.uri().authority().map(|target| target.as_str().as_bytes());
    let mut named = [header, target].into_iter().flatten().peekable();
    let told = header.is_some() || request.version() != Version::HTTP_11;
    let is_it = |named| is_named(named, host.as_bytes());
    told && headers.next().is_none() && named.peek().is_some() && named.all(is_it)
}

/// Names are compared without regard to case (RFC 9110, 4.2.3). Any port will do: it may be forwarded.
fn is_named(named: &[u8], host: &[u8]) -> bool {
    let Some((name, port)) = named.split_at_checked(host.len()) else { return false };
    let is_port = |port: &[u8]| port.first() == Some(&b':') && port[1..].iter().all(u8::is_ascii_digit);
    name.eq_ignore_ascii_case(host) && (port.is_empty() || is_port(port))
}
