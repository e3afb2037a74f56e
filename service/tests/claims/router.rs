//! The site through its router, while the database is away.

use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use config::Config;
use db::Database;
use http::{HeaderValue, Method, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame};
use service::assets;
use service::http::Site;
use tower::ServiceExt as _;

use crate::fixture::{CONFIG, HOST, form, get, router, send, site};

/// A form that the sign-in reads, and for which it needs the database.
const GOOD: &str = "name=somebody&password=a+password";

#[tokio::test]
async fn the_process_lives_while_the_database_is_away() {
    let (alive, _) = send(router(), get("/healthz")).await;
    let (ready, text) = send(router(), get("/readyz")).await;
    assert_eq!((alive.status, ready.status), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(text, "the database is away\n");
}

#[tokio::test]
async fn health_is_told_under_any_host_name() {
    let request = Request::get("/healthz").header("host", "10.0.0.7").body(Body::empty()).unwrap();
    assert_eq!(send(router(), request).await.0.status, StatusCode::OK);
}

#[tokio::test]
async fn a_dynamic_page_asks_to_retry_while_the_database_is_away() {
    for request in [get("/"), get("/feed.atom"), form("/login", GOOD)] {
        let (parts, page) = send(router(), request).await;
        assert_eq!(parts.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(parts.headers["retry-after"], "2");
        assert!(page.contains("<h1>Back in a moment</h1>"), "{page}");
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers_and_its_own_request_id() {
    let (first, _) = send(router(), get("/healthz")).await;
    let (second, page) = send(router(), get("/no/such/page")).await;
    for parts in [&first, &second] {
        let policy = parts.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        assert!(parts.headers.contains_key("strict-transport-security"));
    }
    assert_ne!(first.headers["x-request-id"], second.headers["x-request-id"]);
    // Ids that HTTP/2's table of headers kept would drive out what comes again (RFC 7541, 7.1.3: never indexed).
    assert!(first.headers["x-request-id"].is_sensitive());
    assert!(page.contains(second.headers["x-request-id"].to_str().unwrap()), "{page}");
}

#[tokio::test]
async fn a_clients_request_id_is_not_taken_over() {
    let mut request = get("/healthz");
    request.headers_mut().insert("x-request-id", "forged".parse().unwrap());
    assert_ne!(send(router(), request).await.0.headers["x-request-id"], "forged");
}

#[tokio::test]
async fn another_host_is_misdirected() {
    let named = |host: &str| Request::get("/").header("host", host).body(Body::empty()).unwrap();
    for host in ["www.example.com", "foobar.com", "www.foobar.com.evil", "127.0.0.1:443", "[::1]:443", ""] {
        assert_eq!(send(router(), named(host)).await.0.status, StatusCode::MISDIRECTED_REQUEST, "{host:?}");
    }
    for host in ["www.foobar.com", "www.foobar.com:8443", "WWW.FooBar.com"] {
        assert_eq!(send(router(), named(host)).await.0.status, StatusCode::SERVICE_UNAVAILABLE, "{host:?}");
    }
}

/// RFC 9112, 3.2. HTTP/2 names it in the target, and HTTP/1.0 need not.
#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_no_request() {
    let asked = |version: Version, target: &str, hosts: &[&str]| {
        let mut request = Request::get(target).version(version).body(Body::empty()).unwrap();
        for host in hosts {
            request.headers_mut().append("host", HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        request
    };
    let whole = "https://www.foobar.com/no/such/page";
    for target in ["/no/such/page", whole, "/healthz", "/static/none"] {
        for hosts in [
            &[][..],
            &["www.foobar.com", "www.foobar.com"],
            &["www.foobar.com", "evil.example"],
            &["www.foobar.com:80x"],
            &["someone@www.foobar.com"],
            &["www foobar com"],
            &["www.foobar.com/"],
            &["ü"],
        ] {
            for front in [router(), service::http::plain(site())] {
                let (parts, page) = send(front, asked(Version::HTTP_11, target, hosts)).await;
                assert_eq!(parts.status, StatusCode::BAD_REQUEST, "{target} {hosts:?}");
                assert!(page.contains("A request names one host"), "{page}");
            }
        }
    }
    for (version, target, status) in [
        (Version::HTTP_2, whole, StatusCode::NOT_FOUND),
        (Version::HTTP_10, "/", StatusCode::MISDIRECTED_REQUEST),
        (Version::HTTP_10, "/healthz", StatusCode::OK),
    ] {
        assert_eq!(send(router(), asked(version, target, &[])).await.0.status, status, "{target}");
    }
}

#[tokio::test]
async fn target_and_header_must_name_the_same_host() {
    let both = |host: &str| {
        Request::get("https://www.foobar.com/").header("host", host).body(Body::empty()).unwrap()
    };
    assert_eq!(send(router(), both("www.foobar.com")).await.0.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(send(router(), both("evil.example")).await.0.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_a_page() {
    let (parts, page) = send(router(), get("/no/such/page")).await;
    assert_eq!(parts.status, StatusCode::NOT_FOUND);
    assert!(page.contains("<h1>Not found</h1>"), "{page}");
    let delete = Request::delete("/").header("host", HOST).body(Body::empty()).unwrap();
    let (parts, page) = send(router(), delete).await;
    assert_eq!(parts.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(parts.headers["allow"], "GET,HEAD");
    assert!(page.contains("<h1>Method not allowed</h1>"), "{page}");
}

/// A body that does not come whole.
enum Unfinished {
    Stalls,
    Breaks,
}

impl hyper::body::Body for Unfinished {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match *self {
            Self::Stalls => Poll::Pending,
            Self::Breaks => Poll::Ready(Some(Err(io::Error::other("the client is gone")))),
        }
    }
}

/// Those that need no database to happen, each by what a client does. (What the page of every other says: `http.rs`.)
#[tokio::test(start_paused = true)]
async fn each_refusal_comes_as_a_page_with_the_requests_id() {
    let with = |mut request: Request<Body>, name: &'static str, value: String| {
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let deleted = Request::delete("/").header("host", HOST).body(Body::empty()).unwrap();
    let mut stalled = form("/login", GOOD);
    *stalled.body_mut() = Body::new(Unfinished::Stalls);
    let mut broken = form("/login", GOOD);
    *broken.body_mut() = Body::new(Unfinished::Breaks);
    for (request, status, heading) in [
        (get("/?after=1&after=1"), 400, "Bad request"),
        (broken, 400, "Bad request"),
        (get("/no/such/page"), 404, "Not found"),
        (deleted, 405, "Method not allowed"),
        (stalled, 408, "Too slow"),
        (form("/login", "x".repeat(1025)), 413, "Too large"),
        (get(&format!("/?{}", "a".repeat(255))), 414, "Address too long"),
        (with(form("/login", GOOD), "content-type", "text/plain".to_owned()), 415, "Unsupported format"),
        (with(get("/"), "x", "a".repeat(16 * 1024)), 431, "Headers too large"),
        (get("/"), 503, "Back in a moment"),
    ] {
        let (parts, page) = send(router(), request).await;
        assert_eq!(parts.status.as_u16(), status, "{page}");
        assert!(page.contains(&format!("<h1>{heading}</h1>")), "{status}: {page}");
        assert!(page.contains(parts.headers["x-request-id"].to_str().unwrap()), "{status}: {page}");
        assert!(!page.contains("Failed to"), "the library's words: {page}");
    }
}

#[tokio::test]
async fn who_was_signed_out_is_led_back_to_the_form() {
    for (sent, next) in [
        ("/posts", "/posts/new"),
        ("/posts/7/edit", "/posts/7/edit"),
        ("/posts/7/delete", "/posts/7"),
        ("/posts/7/comments", "/posts/7"),
        ("/comments/7/delete", "/"),
        ("/account/profile", "/account"),
        ("/account/password", "/account"),
        ("/account/session", "/account"),
        ("/account/tokens", "/account"),
        ("/account/tokens/revoke", "/account"),
        ("/account/delete", "/account"),
        ("/status/certificate", "/status"),
    ] {
        let (parts, page) = send(router(), form(sent, "")).await;
        assert_eq!(parts.status, StatusCode::UNAUTHORIZED, "{sent}");
        let link = format!(r#"<a href="/login?next={}">Sign in</a>"#, next.replace('/', "%2F"));
        assert!(page.contains(&link), "{sent}: {page}");
        // A page, which needs the database or a session.
        let status = send(router(), get(next)).await.0.status;
        assert!([303, 503].contains(&status.as_u16()), "{next}: {status}");
    }
}

#[tokio::test]
async fn both_forms_at_the_entrance_lead_on_to_the_same_page() {
    for (from, to) in [("/login", "/register"), ("/register", "/login")] {
        let (_, page) = send(router(), get(&format!("{from}?next=/posts/new"))).await;
        assert!(page.contains(&format!(r#"<a href="{to}?next=%2Fposts%2Fnew">"#)), "{page}");
        let (_, page) = send(router(), get(&format!("{from}?next=//evil.example"))).await;
        assert!(page.contains(&format!(r#"<a href="{to}">"#)), "{page}");
    }
}

#[tokio::test]
async fn an_overlong_address_is_refused() {
    let (parts, _) = send(router(), get(&format!("/?{}", "a".repeat(255)))).await;
    assert_eq!(parts.status, StatusCode::URI_TOO_LONG);
    let (parts, _) = send(router(), get(&format!("/healthz?{}", "a".repeat(247)))).await;
    assert_eq!(parts.status, StatusCode::OK);
}

#[tokio::test]
async fn a_form_is_refused_for_each_of_its_faults() {
    for (body, status, says) in [
        ("name=a", StatusCode::UNPROCESSABLE_ENTITY, "missing field `password`"),
        ("name=a&password=b&more=c", StatusCode::UNPROCESSABLE_ENTITY, "unknown field `more`"),
        ("name=a&name=b&password=c", StatusCode::UNPROCESSABLE_ENTITY, "duplicate field `name`"),
        (
            "name=somebody&password=b",
            StatusCode::UNPROCESSABLE_ENTITY,
            "A password has at least 10 characters.",
        ),
        ("name=%00&password=a+good+password", StatusCode::UNPROCESSABLE_ENTITY, "A name has 3 to 30 letters"),
        ("name=%ff&password=b", StatusCode::BAD_REQUEST, "not encoded as UTF-8"),
        (
            &format!("name=a&password={}", "b".repeat(1024)),
            StatusCode::PAYLOAD_TOO_LARGE,
            "The request is larger than this site accepts.",
        ),
    ] {
        let (parts, page) = send(router(), form("/register", body)).await;
        assert_eq!(parts.status, status, "{body}");
        assert!(page.replace("&#96;", "`").contains(says), "{body}: {page}");
    }
}

#[tokio::test]
async fn a_form_in_another_format_is_refused() {
    for media_type in ["application/json", "multipart/form-data", "text/plain", ""] {
        let mut request = form("/register", GOOD);
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
        let (parts, _) = send(router(), request).await;
        assert_eq!(parts.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media_type}");
    }
}

#[tokio::test]
async fn a_refused_form_keeps_what_was_written_and_escapes_it_but_not_the_password() {
    let (_, page) = send(router(), form("/register", "name=%22%3E%3Cscript%3E&password=short+one")).await;
    assert!(page.contains("&#34;&#62;&#60;script&#62;") && !page.contains("<script>"), "{page}");
    assert!(!page.contains("short one"), "{page}");
}

#[tokio::test]
async fn what_is_for_members_is_told_so_without_the_database() {
    let (parts, _) = send(router(), get("/posts/new")).await;
    assert_eq!(parts.status, StatusCode::SEE_OTHER);
    assert_eq!(parts.headers["location"], "/login?next=%2Fposts%2Fnew");
    let (parts, page) = send(router(), form("/posts", "title=a&body=b")).await;
    assert_eq!(parts.status, StatusCode::UNAUTHORIZED);
    assert!(
        parts.headers.contains_key("www-authenticate") && page.contains("You are not signed in"),
        "{page}"
    );
}

#[tokio::test]
async fn a_form_sent_from_another_site_is_refused() {
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")]
    {
        let mut request = form("/login", GOOD);
        request.headers_mut().insert(name, value.parse().unwrap());
        let (parts, page) = send(router(), request).await;
        assert_eq!(parts.status, StatusCode::FORBIDDEN, "{name}: {value}");
        assert!(page.contains("sent from another site"), "{page}");
    }
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", "https://www.foobar.com")] {
        let mut request = form("/login", GOOD);
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(
            send(router(), request).await.0.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{name}: {value}"
        );
    }
}

/// Other sites add fields to links, to count who follows them.
#[tokio::test]
async fn a_link_with_more_in_its_query_is_the_page() {
    for path in ["/register?utm_source=a", "/login?next=/&fbclid=b"] {
        assert_eq!(send(router(), get(path)).await.0.status, StatusCode::OK, "{path}");
    }
    for path in ["/?utm_source=a", "/posts/1?fbclid=b", "/tags/a?x", "/people/abc?x=1&x=2", "/feed.atom?x=1"]
    {
        // Only the database is missing.
        assert_eq!(send(router(), get(path)).await.0.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(send(router(), get("/api/v1/posts?x=1")).await.0.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    for (path, accepted) in [
        ("/healthz", "identity"),
        (assets::path("site.css"), "identity"),
        ("/no/such/page", "identity"),
        ("/no/such/page", "gzip"),
        ("/posts", "gzip"),
        ("/api/v1/no/such", "gzip"),
        ("/register", "identity"),
    ] {
        let asked = |method| {
            let mut request = get(path);
            *request.method_mut() = method;
            request.headers_mut().insert("accept-encoding", accepted.parse().unwrap());
            request
        };
        let router = router();
        let head = router.clone().oneshot(asked(Method::HEAD)).await.unwrap();
        let get = router.oneshot(asked(Method::GET)).await.unwrap();
        assert_eq!((head.status(), head.body().size_hint().exact()), (get.status(), Some(0)), "{path}");
        for name in ["content-type", "content-encoding", "vary", "allow"] {
            assert_eq!(head.headers().get(name), get.headers().get(name), "{path}: {name}");
        }
        // It may be left out where it would take the making of a page (RFC 9110, 8.6).
        let Some(said) = head.headers().get("content-length") else { continue };
        let said: i64 = said.to_str().unwrap().parse().unwrap();
        let is = i64::try_from(get.body().size_hint().exact().unwrap()).unwrap();
        // A request's name is in a refusal's page, and another one has another compressed length.
        let most = if head.headers().contains_key("content-encoding") { 8 } else { 0 };
        assert!(is > 0 && (said - is).abs() <= most, "{path}: {said}, {is}");
    }
}

#[tokio::test]
async fn a_list_in_several_lines_is_one() {
    let mut request = get("/register");
    request.headers_mut().append("accept-encoding", "gzip;q=0".parse().unwrap());
    request.headers_mut().append("accept-encoding", "*".parse().unwrap());
    assert_eq!(send(router(), request).await.0.headers.get("content-encoding"), None);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_comes() {
    struct Endless;
    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            panic!("the body is read")
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(1025)
        }
    }
    let mut request = form("/login", "");
    *request.body_mut() = Body::new(Endless);
    let (parts, page) = send(router(), request).await;
    assert_eq!(parts.status, StatusCode::PAYLOAD_TOO_LARGE, "{page}");
}

#[tokio::test]
async fn what_may_be_done_is_told() {
    let options = |path: &str| {
        Request::builder().method(Method::OPTIONS).uri(path).header("host", HOST).body(Body::empty()).unwrap()
    };
    for (path, allowed) in [
        ("/", "GET,HEAD"),
        ("/posts", "POST"),
        (assets::path("site.css"), "GET,HEAD"),
        ("*", "GET,HEAD,POST,PUT,DELETE"),
    ] {
        let (parts, body) = send(router(), options(path)).await;
        assert_eq!((parts.status, body.as_str()), (StatusCode::NO_CONTENT, ""), "{path}");
        assert_eq!(parts.headers["allow"], allowed, "{path}");
    }
    assert_eq!(send(router(), options("/no/such/page")).await.0.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_overlong_head_gets_a_page() {
    let mut request = get("/");
    request.headers_mut().insert("x", "a".repeat(16 * 1024).parse().unwrap());
    let (parts, page) = send(router(), request).await;
    assert_eq!(parts.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(page.contains("<h1>Headers too large</h1>"), "{page}");
}

#[tokio::test]
async fn more_requests_than_fit_are_asked_to_come_again() {
    let site = site();
    let held: Vec<_> = (0..=512).map(|_| site.load().request()).collect();
    let (parts, page) = send(service::http::secure(site.clone()), get("/no/such/page")).await;
    assert_eq!(parts.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.contains("Too many visitors at once") && parts.headers.contains_key("retry-after"),
        "{page}"
    );
    // Who asks whether the machine lives would start it again.
    let (parts, _) = send(service::http::secure(site.clone()), get("/healthz")).await;
    assert_eq!(parts.status, StatusCode::OK);
    drop(held);
    let (parts, _) = send(service::http::secure(site), get("/no/such/page")).await;
    assert_eq!(parts.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_machine_about_to_stop_is_not_ready_and_lives() {
    let site = site();
    site.load().drain();
    let (parts, text) = send(service::http::secure(site.clone()), get("/readyz")).await;
    assert_eq!(
        (parts.status, text.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "the machine is about to stop\n")
    );
    assert_eq!(send(service::http::secure(site), get("/healthz")).await.0.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_is_compressed_for_strangers_only() {
    let page = |accepted: &str, more: Option<(&'static str, &'static str)>| {
        let mut request = get("/register");
        request.headers_mut().insert("accept-encoding", accepted.parse().unwrap());
        request.headers_mut().extend(
            more.map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))),
        );
        router().oneshot(request)
    };
    let encoding = |response: &axum::response::Response| response.headers().get("content-encoding").cloned();
    let plain = page("br", None).await.unwrap();
    assert_eq!(encoding(&plain), None);
    assert!(plain.headers().get_all("vary").iter().any(|name| name == "accept-encoding"));
    let plain = plain.into_body().collect().await.unwrap().to_bytes();
    let packed = page("gzip", None).await.unwrap();
    assert_eq!(encoding(&packed).unwrap(), "gzip");
    let packed = packed.into_body().collect().await.unwrap().to_bytes();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    assert!(packed.len() < plain.len() && text.contains("<h1>Join "), "{text}");
    for secret in [("cookie", "a=b"), ("authorization", "Bearer a")] {
        assert_eq!(encoding(&page("gzip", Some(secret)).await.unwrap()), None, "{secret:?}");
    }
}

#[tokio::test]
async fn figures_are_for_the_token_only() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let config = format!("{CONFIG}[operations]\nmetrics_token = \"{TOKEN}\"\n");
    let config = Config::parse(&config).unwrap();
    let router = service::http::secure(Site::new(&config, Database::new(&config)));
    let by = |scheme: &str, token: &str| {
        let mut request = get("/metrics");
        request.headers_mut().insert("authorization", format!("{scheme} {token}").parse().unwrap());
        request
    };
    let asked = |token: &str| by("Bearer", token);
    for request in [get("/metrics"), asked(""), asked("0123456789abcdef"), asked(&TOKEN.to_uppercase())] {
        assert_eq!(send(router.clone(), request).await.0.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(send(self::router(), asked(TOKEN)).await.0.status, StatusCode::NOT_FOUND);
    let (parts, text) = send(router.clone(), asked(TOKEN)).await;
    assert_eq!(parts.status, StatusCode::OK);
    let line = r#"http_requests_total{method="GET",route="/metrics",status="404"} 4"#;
    assert!(text.lines().any(|found| found == line) && text.ends_with("# EOF\n"), "{text}");
    assert_eq!(send(router, by("bearer", TOKEN)).await.0.status, StatusCode::OK);
}
