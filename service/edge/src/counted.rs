//! The router as one connection's service: each request is counted from its head to the last byte of its answer.
//!
//! It decides nothing about a request. (The protocol may still be sending what it has taken over from the body.)

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::activity::{Activity, Busy};
use crate::load::{Held, Load};
use crate::peer::Peer;

/// The service of one connection.
pub(crate) struct Counted {
    router: TowerToHyperService<Router>,
    peer: Peer,
    activity: Activity,
    load: Arc<Load>,
}

impl Counted {
    pub(crate) fn new(router: Router, peer: Peer, activity: Activity, load: Arc<Load>) -> Self {
        Self { router: TowerToHyperService::new(router), peer, activity, load }
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Sent>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Counted {
    type Response = Response<Sent>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        request.extensions_mut().insert(self.peer);
        let (busy, held) = (self.activity.begin(), self.load.request());
        let answer = self.router.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Sent { body, _busy: busy, _held: held })) })
    }
}

/// An answer's body, which says by being dropped that it was sent or given up.
pub(crate) struct Sent {
    body: Body,
    _busy: Busy,
    _held: Held,
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
