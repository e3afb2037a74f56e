//! The site for programs, while the database is away: its description, and refusals as problems.

use http::StatusCode;
use serde_json::Value;

use crate::fixture::{get, router, send};

async fn asked(path: &str) -> (http::response::Parts, Value) {
    let (parts, text) = send(router(), get(path)).await;
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
    (parts, body)
}

#[tokio::test]
async fn the_description_lists_every_address_and_describes_each_answer() {
    let (parts, description) = asked("/api/v1/openapi.json").await;
    assert_eq!(
        (parts.status, &parts.headers["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."), "{}", description["openapi"]);
    let paths = description["paths"].as_object().unwrap();
    let listed: Vec<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(
        listed,
        ["/api/v1/comments/{id}", "/api/v1/posts", "/api/v1/posts/{id}", "/api/v1/posts/{id}/comments"]
    );
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.values().all(|answer| answer["description"].is_string()), "{method} {path}");
            let success = answers.iter().find(|(status, _)| status.starts_with('2')).unwrap();
            let described = success.1["content"]["application/json"]["schema"].is_object();
            assert!(described || success.0 == "204", "{method} {path}: {operation}");
            assert!(answers["4XX"]["content"]["application/problem+json"].is_object(), "{path}: {operation}");
            // Who writes sends a token, and is told so.
            assert_eq!(operation["security"].is_array(), method != "get", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem() {
    for (path, status) in [
        ("/api/v1/posts", StatusCode::SERVICE_UNAVAILABLE),
        ("/api/v1/posts?after=x", StatusCode::BAD_REQUEST),
        ("/api/v1/posts?page=2", StatusCode::BAD_REQUEST),
        ("/api/v1/posts/x", StatusCode::NOT_FOUND),
        ("/api/v1/nothing", StatusCode::NOT_FOUND),
    ] {
        let (parts, problem) = asked(path).await;
        assert_eq!(parts.status, status, "{path}");
        assert_eq!(parts.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status.as_u16());
        assert_eq!(problem["request_id"], parts.headers["x-request-id"].to_str().unwrap());
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
}
