//! Who answers requests, as the protocols know it.
//!
//! It decides nothing. Most answers of a site are made without waiting (a file, a redirect): they come as they are, and only what
//! waits for something is a future.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use http::Request;

use crate::peer::Peer;

/// Who answers the requests of a listener.
pub trait Answers: Send + Sync {
    /// Begins to answer a request of this client's.
    fn answer(&self, request: Request<Body>, peer: Peer) -> Answer;
}

/// An answer, made or in the making.
pub enum Answer {
    /// It is made.
    Made(Response),
    /// It is still waited for.
    Awaited(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Made(_) => "Made",
            Self::Awaited(_) => "Awaited",
        })
    }
}

/// To be polled once: as tower wants it.
impl Future for Answer {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Made(response) => Poll::Ready(Ok(std::mem::take(response))),
            Self::Awaited(future) => future.as_mut().poll(cx).map(Ok),
        }
    }
}
