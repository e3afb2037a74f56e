//! The site over HTTP: its routes, and what every request passes (`front.rs`).
//!
//! Module = resource = route. It knows nothing of sockets or TLS. Invariant: whatever a client sends, it gets an
//! answer that says why, with the security headers and a request id.

mod accounts;
mod api;
mod assets;
mod avatar;
mod challenge;
mod comments;
mod compress;
mod csrf;
mod cursor;
mod date;
mod encoding;
mod entity_tag;
pub mod error;
mod feed;
mod fields;
mod front;
mod gate;
mod headers;
mod health;
mod host;
mod id;
mod letters;
mod markdown;
mod methods;
mod metrics;
mod moment;
mod observe;
mod page;
mod people;
mod posts;
mod problem;
mod redirect;
mod search;
mod session;
mod status;

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::certificates::Certificates;
use crate::operations::Operations;
use crate::passwords::Passwords;
use config::Config;
use db::Database;
use edge::Load;

pub use front::Front;

/// The fields of a form that has none.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The fields of a query that nothing is read from. As in all queries of pages, more are no fault: other sites and newsletters
/// add theirs to links, to count who follows them.
#[derive(Debug, serde::Deserialize)]
struct Whatever {}

/// What every handler can reach. Cloning counts one reference: each layer and each handler has a clone.
#[derive(Clone, Debug)]
pub struct Site(Arc<Parts>);

/// What a site is made of.
#[derive(Debug)]
pub struct Parts {
    database: Database,
    passwords: Passwords,
    /// Not there in tests of the router alone, where nothing is presented.
    certificates: OnceLock<Certificates>,
    shared: Shared,
}

impl Deref for Site {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

#[derive(Debug)]
struct Shared {
    host: String,
    /// Further names of the certificate: visitors who come by them are sent to `host`.
    aliases: Vec<String>,
    /// The beginning of this site's absolute addresses: `https://www.foobar.com`, with a port where browsers need one.
    base: String,
    load: Arc<Load>,
    cards: posts::Cards,
    searches: search::Searches,
    operations: Operations,
    metrics_token: Option<[u8; 32]>,
    operators: Vec<String>,
    requests: u32,
    head_bytes: usize,
    url_bytes: usize,
    body_bytes: usize,
    request: Duration,
    registrations_per_hour: u32,
    sign_ins_per_hour: u32,
    writes_per_hour: u32,
}

impl Site {
    /// The site of this configuration over this database.
    pub fn new(config: &Config, database: Database) -> Self {
        let token = config.operations.metrics_token.as_ref();
        let shared = Shared {
            host: config.host.clone(),
            aliases: config.tls.acme.iter().flat_map(|acme| acme.names.clone()).collect(),
            base: base(config),
            load: Arc::default(),
            cards: posts::Cards::default(),
            searches: search::Searches::default(),
            operations: Operations::default(),
            operators: config.operations.operators.clone(),
            metrics_token: token.map(|token| Sha256::digest(token.reveal()).into()),
            requests: config.limits.requests,
            head_bytes: config.limits.header_kib as usize * 1024,
            url_bytes: config.limits.url_bytes as usize,
            body_bytes: config.limits.body_kib as usize * 1024,
            request: Duration::from_secs(config.limits.request_s.into()),
            registrations_per_hour: config.limits.registrations_per_hour,
            sign_ins_per_hour: config.limits.sign_ins_per_hour,
            writes_per_hour: config.limits.writes_per_hour,
        };
        let passwords = Passwords::default();
        Self(Arc::new(Parts { database, passwords, certificates: OnceLock::new(), shared }))
    }

    /// With what answers certificate authorities, and knows how the certificate stands.
    #[must_use]
    pub fn with_certificates(self, certificates: Certificates) -> Self {
        // A site has one set of certificates: a second one would be a mistake of the caller's, and is not taken.
        let _ = self.0.certificates.set(certificates);
        self
    }

    /// What the machine has in hand, to be counted by whoever accepts connections.
    pub fn load(&self) -> Arc<Load> {
        Arc::clone(&self.shared.load)
    }
}

fn base(config: &Config) -> String {
    match config.listen.public_port {
        443 => format!("https://{}", config.host),
        port => format!("https://{}:{port}", config.host),
    }
}

/// The HTTPS site.
pub fn secure(site: Site) -> Front {
    Front::secure(site, || {
        let pages =
            posts::routes().merge(comments::routes()).merge(people::routes()).merge(accounts::routes());
        let lists = search::routes().merge(feed::routes());
        let inner = health::routes().merge(metrics::routes()).merge(api::routes()).merge(status::routes());
        pages.merge(lists).merge(inner)
    })
}

/// The plain HTTP listener beside it.
pub fn plain(site: Site) -> Front {
    Front::plain(site, redirect::routes)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Path;
    use axum::routing::get;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    /// A site without a database.
    pub(super) fn site() -> Site {
        let config = Config::parse(
            r#"
            host = "www.foobar.com"
            listen = { http = "127.0.0.1:0", https = "127.0.0.1:0" }
            tls = { certificate_chain = "", private_key = "" }
            database = { host = "127.0.0.1", port = 1, name = "", user = "", password = "", ca = "" }
            "#,
        );
        let config = config.expect("a whole configuration");
        Site::new(&config, Database::new(&config))
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_500_without_its_words() {
        let routes = Router::new().route("/panic", get(async || -> StatusCode { panic!("inner words") }));
        let request = Request::get("/panic").header("host", "www.foobar.com").body(Body::empty()).unwrap();
        let (parts, body) = Front::secure(site(), || routes).oneshot(request).await.unwrap().into_parts();
        let page = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert_eq!(parts.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(page.contains("<h1>Something broke</h1>") && !page.contains("inner words"), "{page}");
        assert!(parts.headers.contains_key("x-request-id"));
    }

    #[tokio::test]
    async fn every_answer_says_once_when_it_was_made() {
        let fronts =
            [Front::secure(site(), || Router::new().route("/", get(async || "page"))), plain(site())];
        for (front, path) in
            fronts.iter().flat_map(|front| ["/", "/robots.txt", "/nowhere"].map(|path| (front, path)))
        {
            let request = Request::get(path).header("host", "www.foobar.com").body(Body::empty()).unwrap();
            let response = front.clone().oneshot(request).await.unwrap();
            let dates: Vec<_> = response.headers().get_all("date").iter().collect();
            let [date] = dates[..] else { panic!("{path}: {dates:?}") };
            let said = httpdate::parse_http_date(date.to_str().unwrap()).unwrap();
            assert!(said.elapsed().unwrap() < Duration::from_secs(60), "{path}: {date:?}");
        }
    }

    #[tokio::test]
    async fn every_refusal_has_a_page_with_a_heading_and_the_requests_id() {
        let refuse = async |Path(status): Path<u16>| StatusCode::from_u16(status).unwrap();
        for (status, heading) in [
            (400, "Bad request"),
            (401, "Please sign in"),
            (403, "Refused"),
            (404, "Not found"),
            (405, "Method not allowed"),
            (408, "Too slow"),
            (409, "Changed meanwhile"),
            (412, "Changed meanwhile"),
            (413, "Too large"),
            (414, "Address too long"),
            (415, "Unsupported format"),
            (416, "No such part"),
            (421, "Wrong host"),
            (422, "Not accepted"),
            (429, "Too many requests"),
            (431, "Headers too large"),
            (500, "Something broke"),
            (503, "Back in a moment"),
        ] {
            let routes = Router::new().route("/{status}", get(refuse));
            let request = Request::get(format!("/{status}")).header("host", "www.foobar.com");
            let response =
                Front::secure(site(), || routes).oneshot(request.body(Body::empty()).unwrap()).await;
            let (parts, body) = response.unwrap().into_parts();
            let page = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            assert_eq!(parts.status.as_u16(), status);
            assert_eq!(parts.headers["cache-control"], "no-store", "{status}");
            assert_eq!(parts.headers["content-type"], "text/html; charset=utf-8", "{status}");
            assert!(page.contains(&format!("<h1>{heading}</h1>")), "{status}: {page}");
            assert!(page.contains(parts.headers["x-request-id"].to_str().unwrap()), "{status}: {page}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_compressed_from_its_threshold_on_and_not_without_end() {
        let sized = async |Path(bytes): Path<usize>| "a".repeat(bytes);
        for (bytes, packed) in
            [(0, false), (1023, false), (1024, true), (1 << 20, true), ((1 << 20) + 1, false)]
        {
            let routes = Router::new().route("/{bytes}", get(sized));
            let request = Request::get(format!("/{bytes}")).header("host", "www.foobar.com");
            let request = request.header("accept-encoding", "gzip").body(Body::empty()).unwrap();
            let response = Front::secure(site(), || routes).oneshot(request).await.unwrap();
            let encoding = response.headers().get("content-encoding");
            assert_eq!(encoding.is_some(), packed, "{bytes} bytes: {encoding:?}");
            let sent = response.into_body().collect().await.unwrap().to_bytes().len();
            assert_eq!(sent < bytes, packed, "{bytes} bytes are sent as {sent}");
        }
    }
}
