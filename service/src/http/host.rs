//! The virtual host check: only requests for this site's name are answered, and only with an address and a head of sane
//! length, and only as many at once as fit into the machine.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::HOST;

use super::error::Error;
use super::{Site, health, redirect};

/// Refuses a request for another host (421), with an overlong address (414) or head (431), or that is one too many (503).
/// Health checks come from load balancers, which know only addresses: those two paths are exempt.
pub(super) async fn check(State(site): State<Site>, request: Request, next: Next) -> Response {
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > site.shared.url_bytes) {
        return Error::UriTooLong.into_response();
    }
    if head_bytes(&request) > site.shared.head_bytes {
        return Error::HeadTooLarge.into_response();
    }
    if !health::PATHS.contains(&request.uri().path()) && !is_for(&request, &site.shared.host) {
        let by_alias = site.shared.aliases.iter().any(|alias| is_for(&request, alias));
        return if by_alias {
            redirect::to_https(&site, request.uri())
        } else {
            Error::Misdirected.into_response()
        };
    }
    if site.shared.load.requests() > site.shared.requests {
        return Error::Busy.into_response();
    }
    next.run(request).await
}

/// As HTTP/2 counts a list of headers (RFC 9113, 6.5.2), without the 32 bytes for each.
fn head_bytes(request: &Request) -> usize {
    request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// HTTP/2 sends the host in the target (`:authority`), HTTP/1.1 in a header; when both are there they must agree.
fn is_for(request: &Request, host: &str) -> bool {
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next().map(|value| value.to_str().unwrap_or_default());
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    let named = [header, target].into_iter().flatten().collect::<Vec<_>>();
    headers.next().is_none() && !named.is_empty() && named.into_iter().all(|named| is_named(named, host))
}

/// Names are compared without regard to case (RFC 9110, 4.2.3). Any port will do: it may be forwarded.
fn is_named(named: &str, host: &str) -> bool {
    let (name, port) = named.split_once(':').unwrap_or((named, ""));
    name.eq_ignore_ascii_case(host) && port.bytes().all(|byte| byte.is_ascii_digit())
}
