//! The static files through the router: conditions, encodings, parts, caching.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use service::assets::{self, ASSETS};

use crate::fixture::{HOST, get, router, send};

#[tokio::test]
async fn every_static_file_is_served_with_a_strong_validator() {
    for asset in ASSETS {
        let (parts, _) = send(router(), get(asset.path)).await;
        assert_eq!(parts.status, StatusCode::OK, "{}", asset.path);
        let etag = parts.headers["etag"].clone();
        assert!(etag.to_str().unwrap().starts_with('"'), "{etag:?}");
        let mut again = get(asset.path);
        again.headers_mut().insert("if-none-match", etag.clone());
        let (parts, body) = send(router(), again).await;
        assert_eq!((parts.status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert_eq!(parts.headers["etag"], etag);
    }
}

#[tokio::test]
async fn a_file_under_its_contents_name_is_cached_for_ever() {
    let (parts, _) = send(router(), get(assets::path("site.css"))).await;
    assert_eq!(parts.headers["cache-control"], "public, max-age=31536000, immutable");
    let (parts, _) = send(router(), get("/robots.txt")).await;
    assert_eq!(parts.headers["cache-control"], "public, max-age=300");
}

#[tokio::test]
async fn each_encoding_has_its_own_validator() {
    let mut tags = Vec::new();
    let encodings =
        [("br, gzip", Some("br")), ("zstd", Some("zstd")), ("gzip", Some("gzip")), ("identity", None)];
    for (accepted, encoding) in encodings {
        let mut request = get(assets::path("site.css"));
        request.headers_mut().insert("accept-encoding", accepted.parse().unwrap());
        let (parts, _) = send(router(), request).await;
        let sent = parts.headers.get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(sent, encoding);
        assert_eq!(parts.headers["vary"], "accept-encoding");
        tags.push(parts.headers["etag"].clone());
    }
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

fn with(path: &str, headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = Request::get(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_condition_is_a_list_over_several_lines() {
    let path = assets::path("site.css");
    let (parts, whole) = send(router(), get(path)).await;
    let etag = parts.headers["etag"].to_str().unwrap().to_owned();
    let weak = format!("W/{etag}");
    for known in [format!("\"a\", {etag}"), weak.clone(), "*".to_owned()] {
        let request = with(path, &[("if-none-match", "\"b\""), ("if-none-match", &known)]);
        assert_eq!(send(router(), request).await.0.status, StatusCode::NOT_MODIFIED, "{known}");
    }
    for (known, status) in
        [(etag.as_str(), StatusCode::OK), (&weak, StatusCode::PRECONDITION_FAILED), ("*", StatusCode::OK)]
    {
        let (parts, body) = send(router(), with(path, &[("if-match", known)])).await;
        assert_eq!(parts.status, status, "{known}");
        assert_eq!(body == whole, status == StatusCode::OK);
    }
}

#[tokio::test]
async fn a_part_is_sent_from_the_representation_that_was_chosen() {
    let path = assets::path("site.css");
    let (_, whole) = send(router(), get(path)).await;
    let (parts, body) = send(router(), with(path, &[("range", "bytes=10-19")])).await;
    assert_eq!((parts.status, body.as_str()), (StatusCode::PARTIAL_CONTENT, &whole[10..20]));
    assert_eq!(parts.headers["content-range"], format!("bytes 10-19/{}", whole.len()));
    assert_eq!(
        (parts.headers["accept-ranges"].as_bytes(), parts.headers["content-length"].as_bytes()),
        (&b"bytes"[..], &b"10"[..])
    );
    let request = with(path, &[("range", "bytes=0-0"), ("accept-encoding", "br")]);
    let (parts, _) = send(router(), request).await;
    let br = ASSETS.iter().find(|asset| asset.path == path).unwrap();
    let br = br.encodings.iter().find(|encoded| encoded.encoding == "br").unwrap();
    assert_eq!(parts.headers["content-range"], format!("bytes 0-0/{}", br.bytes.len()));
}

#[tokio::test]
async fn several_parts_come_in_one_answer() {
    let path = assets::path("site.css");
    let (_, whole) = send(router(), get(path)).await;
    let (parts, body) = send(router(), with(path, &[("range", "bytes=0-1,5-6")])).await;
    assert_eq!(parts.status, StatusCode::PARTIAL_CONTENT);
    let kind = parts.headers["content-type"].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, text: &str| {
        let length = whole.len();
        format!(
            "\r\n--{boundary}\r\ncontent-type: text/css; charset=utf-8\r\n\
             content-range: bytes {range}/{length}\r\n\r\n{text}"
        )
    };
    let wanted = part("0-1", &whole[0..2]) + &part("5-6", &whole[5..7]) + &format!("\r\n--{boundary}--\r\n");
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn a_part_beyond_the_end_is_refused_with_the_length() {
    let path = assets::path("site.css");
    let (_, whole) = send(router(), get(path)).await;
    let (parts, _) = send(router(), with(path, &[("range", "bytes=9999999-")])).await;
    assert_eq!(parts.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(parts.headers["content-range"], format!("bytes */{}", whole.len()));
}

#[tokio::test]
async fn a_part_of_another_version_is_the_whole_file() {
    let path = assets::path("site.css");
    let (parts, _) = send(router(), get(path)).await;
    let etag = parts.headers["etag"].to_str().unwrap().to_owned();
    for (known, status) in [
        (etag.clone(), StatusCode::PARTIAL_CONTENT),
        (format!("W/{etag}"), StatusCode::OK),
        ("\"another\"".to_owned(), StatusCode::OK),
        ("Sun, 22 Nov 2026 00:00:00 GMT".to_owned(), StatusCode::OK),
    ] {
        let request = with(path, &[("range", "bytes=0-0"), ("if-range", &known)]);
        assert_eq!(send(router(), request).await.0.status, status, "{known}");
    }
    let mut head = with(path, &[("range", "bytes=0-0")]);
    *head.method_mut() = Method::HEAD;
    assert_eq!(send(router(), head).await.0.status, StatusCode::OK);
}
