//! A configuration, a site whose database is away, and requests to it.

use axum::body::Body;
use config::Config;
use db::Database;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use service::http::{Front, Site};
use tower::ServiceExt as _;

pub(crate) const HOST: &str = "www.foobar.com";

/// A whole configuration file. Nothing listens at its database's address.
pub(crate) const CONFIG: &str = r#"
host = "www.foobar.com"
[listen]
http = "127.0.0.1:0"
https = "127.0.0.1:0"
[tls]
certificate_chain = "chain"
private_key = "open sesame"
[database]
host = "127.0.0.1"
port = 1
name = "site"
user = "site"
password = "hunter2hunter2"
ca = "root"
[limits]
body_kib = 1
url_bytes = 256
"#;

pub(crate) fn config() -> Config {
    Config::parse(CONFIG).unwrap()
}

pub(crate) fn site() -> Site {
    let config = config();
    Site::new(&config, Database::new(&config))
}

pub(crate) fn router() -> Front {
    service::http::secure(site())
}

/// Sends one request and waits for the whole answer.
pub(crate) async fn send(router: Front, request: Request<Body>) -> (http::response::Parts, String) {
    let response: Response<Body> = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts, String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", HOST).body(Body::empty()).unwrap()
}

pub(crate) fn form(path: &str, body: impl Into<String>) -> Request<Body> {
    let request = Request::post(path).header("host", HOST);
    request.header("content-type", "application/x-www-form-urlencoded").body(Body::from(body.into())).unwrap()
}
