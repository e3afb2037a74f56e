//! The plain HTTP listener, which moves everybody to HTTPS and reads nothing.

use axum::body::Body;
use db::Database;
use http::{Method, Request, StatusCode};
use service::certificates::Certificates;
use service::http::{Front, Site};

use crate::config::{AUTHORITY, with_tls};
use crate::fixture::{HOST, get, send, site};

fn redirect() -> Front {
    service::http::plain(site())
}

#[tokio::test]
async fn plain_http_moves_to_the_configured_host() {
    let (parts, _) = send(redirect(), get("/a/b?c=d&e=%20")).await;
    assert_eq!(parts.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(parts.headers["location"], "https://www.foobar.com/a/b?c=d&e=%20");
    let (parts, _) = send(redirect(), get("//evil.example/")).await;
    assert_eq!(parts.headers["location"], "https://www.foobar.com//evil.example/");
    let stranger = Request::get("/").header("host", "evil.example").body(Body::empty()).unwrap();
    assert_eq!(send(redirect(), stranger).await.0.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(send(redirect(), get("/healthz")).await.0.status, StatusCode::OK);
}

#[tokio::test]
async fn a_target_that_is_no_path_moves_to_the_front_page() {
    for (method, target) in [(Method::OPTIONS, "*"), (Method::CONNECT, "www.foobar.com:80")] {
        let request = Request::builder().method(method).uri(target).header("host", HOST);
        let (parts, _) = send(redirect(), request.body(Body::empty()).unwrap()).await;
        assert_eq!(parts.status, StatusCode::PERMANENT_REDIRECT, "{target}");
        assert_eq!(parts.headers["location"], "https://www.foobar.com/", "{target}");
    }
}

#[tokio::test]
async fn a_whole_address_without_a_path_keeps_its_query() {
    let whole = Request::get("http://www.foobar.com?a=b").header("host", HOST).body(Body::empty()).unwrap();
    let (parts, _) = send(redirect(), whole).await;
    assert_eq!(parts.headers["location"], "https://www.foobar.com/?a=b");
}

#[tokio::test]
async fn what_is_answered_in_the_clear_has_the_limits_and_methods_of_the_site() {
    for path in ["/healthz", "/.well-known/acme-challenge/none"] {
        let asked = |method: Method, query: usize, head: usize| {
            let target = format!("{path}?{}", "a".repeat(query));
            let request = Request::builder().method(method).uri(target).header("host", HOST);
            request.header("x", "a".repeat(head)).body(Body::empty()).unwrap()
        };
        for (method, query, head, status) in [
            (Method::OPTIONS, 0, 0, StatusCode::NO_CONTENT),
            (Method::POST, 0, 0, StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, 257, 0, StatusCode::URI_TOO_LONG),
            (Method::GET, 0, 16 * 1024, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        ] {
            let (parts, _) = send(redirect(), asked(method, query, head)).await;
            assert_eq!(parts.status, status, "{path} {query} {head}");
            let tells = [StatusCode::NO_CONTENT, StatusCode::METHOD_NOT_ALLOWED].contains(&status);
            assert_eq!(parts.headers.contains_key("allow"), tells, "{path} {status}");
        }
    }
}

#[tokio::test]
async fn nothing_is_said_of_https_in_the_clear() {
    let config = with_tls(AUTHORITY).unwrap();
    let aliased = service::http::plain(Site::new(&config, Database::new(&config)));
    let named = |host: &str| Request::get("/").header("host", host).body(Body::empty()).unwrap();
    for (front, request, status) in [
        (redirect(), get("/"), StatusCode::PERMANENT_REDIRECT),
        (redirect(), get("/healthz"), StatusCode::OK),
        (redirect(), get("/.well-known/acme-challenge/none"), StatusCode::NOT_FOUND),
        (redirect(), named("evil.example"), StatusCode::MISDIRECTED_REQUEST),
        (aliased, named("foobar.com"), StatusCode::PERMANENT_REDIRECT),
    ] {
        let (parts, _) = send(front, request).await;
        assert_eq!(parts.status, status);
        // RFC 6797, 7.2; the other headers are there as ever.
        assert!(!parts.headers.contains_key("strict-transport-security"), "{parts:?}");
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn before_there_is_a_certificate_a_visitor_is_told_so() {
    let config = with_tls(AUTHORITY).unwrap();
    let database = Database::new(&config);
    let certificates = Certificates::new(&config, database.clone()).unwrap();
    let site = Site::new(&config, database).with_certificates(certificates);
    let (parts, page) = send(service::http::plain(site), get("/")).await;
    assert_eq!(
        (parts.status, &parts.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"10".parse().unwrap())
    );
    assert!(page.contains("The site has no certificate yet") && !page.contains("database"), "{page}");
}
