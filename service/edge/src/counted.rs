//! One connection's service: each request is counted from its head, or from its turn, to the last byte of its answer.
//!
//! It decides nothing about a request but when it begins. (The protocol may still be sending what it has taken over from the body.)

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::Request;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::service::Service;

use crate::activity::{Activity, Awaiting, Busy};
use crate::answers::{Answer, Answers};
use crate::load::{Held, Load};
use crate::peer::Peer;

/// The service of one connection.
#[derive(Clone)]
pub(crate) struct Counted {
    answers: Arc<dyn Answers>,
    peer: Peer,
    activity: Activity,
    load: Arc<Load>,
}

impl Counted {
    pub(crate) fn new(answers: Arc<dyn Answers>, peer: Peer, activity: Activity, load: Arc<Load>) -> Self {
        Self { answers, peer, activity, load }
    }

    fn begin(&self, busy: Busy, request: Request<Body>) -> Begun {
        let held = (busy, self.load.request());
        let answer = self.answers.answer(request, self.peer);
        let awaiting = matches!(answer, Answer::Awaited(_)).then(|| self.activity.wait());
        Begun { answer, held: Some(held), awaiting }
    }

    /// For a request beyond the connection's share of what is worked on.
    async fn begin_later(self, request: Request<Body>) -> Begun {
        let busy = self.activity.turn().await;
        self.begin(busy, request)
    }
}

impl Service<Request<Incoming>> for Counted {
    type Response = Response<Sent>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        // A body that is not there needs no box.
        let request = request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(body) });
        match self.activity.begin() {
            Some(busy) => Answering::Begun(self.begin(busy, request)),
            None => Answering::Waiting(Box::pin(self.clone().begin_later(request))),
        }
    }
}

/// A request that has arrived.
pub(crate) enum Answering {
    /// It is worked on.
    Begun(Begun),
    /// It waits for those before it on its connection.
    Waiting(Pin<Box<dyn Future<Output = Begun> + Send>>),
}

/// A request that is worked on.
pub(crate) struct Begun {
    answer: Answer,
    held: Option<(Busy, Held)>,
    /// Until the answer is made; none where it was made at once.
    awaiting: Option<Awaiting>,
}

impl Future for Answering {
    type Output = Result<Response<Sent>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::Begun(begun) => return begun.poll(cx),
                Self::Waiting(turn) => {
                    let begun = ready!(turn.as_mut().poll(cx));
                    *self = Self::Begun(begun);
                }
            }
        }
    }
}

impl Begun {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<Sent>, Infallible>> {
        let response = ready!(Pin::new(&mut self.answer).poll(cx))?;
        self.awaiting = None;
        let held = self.held.take();
        Poll::Ready(Ok(response.map(|body| Sent { body, _held: held })))
    }
}

/// An answer's body, which says by being dropped that it was sent or given up.
pub(crate) struct Sent {
    body: Body,
    _held: Option<(Busy, Held)>,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
