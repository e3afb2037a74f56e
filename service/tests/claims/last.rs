//! What follows a connection's last answer: nothing that is run, and for a while nothing that is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use edge::{Answer, Answers, Connection, Peer};
use http::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::connection::{Client, SILENCE};
use crate::fixture::{HOST, router};

/// The site, and how often it was asked.
#[derive(Default)]
struct Asked(AtomicU32);

impl Answers for Asked {
    fn answer(&self, request: Request<Body>, peer: Peer) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        router().answer(request, peer)
    }
}

impl Asked {
    fn client(self: &Arc<Self>) -> Client {
        let asked = Arc::clone(self);
        Client::over(|limits, drain, _| Connection::plain(asked, limits, drain, Arc::default()))
    }
}

/// Requests after whose answers none follows: asked for, told by the version, and because the body is not waited for.
const LAST: [&str; 4] = [
    "GET /healthz HTTP/1.1\r\nhost: www.foobar.com\r\nconnection: close\r\n\r\n",
    "GET /healthz HTTP/1.0\r\nhost: www.foobar.com\r\n\r\n",
    "POST /nope HTTP/1.1\r\nhost: www.foobar.com\r\ncontent-length: 100000\r\n\r\n",
    "POST /robots.txt HTTP/1.1\r\nhost: www.foobar.com\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
];

/// The client when it has its last answer.
async fn answered(mut client: Client, last: &str) -> Client {
    client.stream.write_all(last.as_bytes()).await.unwrap();
    let (said, _) = client.rest().await;
    assert!(said.starts_with("HTTP/1."), "{last}: {said}");
    client
}

#[tokio::test(start_paused = true)]
async fn what_follows_the_last_answer_is_no_request() {
    for last in LAST {
        let asked = Arc::new(Asked::default());
        let mut client = answered(asked.client(), last).await;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // As a body's bytes, these are nobody's words.
            let next = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
            let _ = client.stream.write_all(next.as_bytes()).await;
        }
        tokio::time::sleep(SILENCE).await;
        assert_eq!(asked.0.load(Ordering::Relaxed), 1, "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_still_sending_after_the_last_answer_is_read_for_two_seconds() {
    for last in LAST {
        let mut client = answered(Client::plain(), last).await;
        let begun = Instant::now();
        while client.stream.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 2, "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_after_the_last_answer_keeps_its_place_no_longer_than_that() {
    for last in LAST {
        let mut client = answered(Client::plain(), last).await;
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert!(client.stream.write_all(b"a").await.is_err(), "{last}");
    }
}
