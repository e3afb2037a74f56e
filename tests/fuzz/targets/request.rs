//! A request to the site while its database is away: whatever it says, the answer blames the visitor or the database.
//!
//! The input is a request as HTTP/1.1 writes one, lines ended by a line feed alone; the host is added.
#![no_main]

use std::cell::LazyCell;

use axum::body::Body;
use config::Config;
use db::Database;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use service::http::{Front, Site};
use tower::ServiceExt as _;

const HOST: &str = "www.foobar.com";
/// Nobody listens on port 1.
const CONFIG: &str = r#"
host = "www.foobar.com"
listen = { http = "127.0.0.1:0", https = "127.0.0.1:0" }
tls = { certificate_chain = "", private_key = "" }
database = { host = "127.0.0.1", port = 1, user = "site", password = "a password of nobody", name = "site", ca = "" }
"#;

struct World {
    runtime: tokio::runtime::Runtime,
    router: Front,
}

thread_local! {
    static WORLD: LazyCell<World> = LazyCell::new(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let config = Config::parse(CONFIG).expect("a configuration");
        let inside = runtime.enter();
        let router = service::http::secure(Site::new(&config, Database::new(&config)));
        drop(inside);
        World { runtime, router }
    });
}

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = request(bytes) else { return };
    WORLD.with(|world| {
        let status = world.runtime.block_on(async {
            let answer = world.router.clone().oneshot(request).await;
            let answer = answer.unwrap_or_else(|never| match never {});
            let status = answer.status();
            answer.into_body().collect().await.expect("a body");
            status
        });
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
    });
});

/// What hyper would pass on; `None` of what it would refuse itself.
fn request(bytes: &[u8]) -> Option<Request<Body>> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, body) = (&bytes[..end], &bytes[end + 2..]);
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target).header("host", HOST);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    request.body(Body::from(body.to_vec())).ok()
}
