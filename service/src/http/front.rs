//! What every request passes between the sockets and a route: a name and the checks of its head, and on the way back an error
//! page, compression, the security headers, a log line and a place in the figures.
//!
//! Plain functions one after the other and no stack of middleware: ten boxed layers took three quarters of a small answer's
//! instructions. Invariant: whatever a client sends, it gets an answer that says why, with the security headers and a request
//! id.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use edge::{Answer, Answers, Peer};
use http::header::CONTENT_LENGTH;
use http::{Method, Request, StatusCode};
use hyper::body::Body as _;
use tower::{Service, ServiceExt as _};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use super::assets::Files;
use super::error::Error;
use super::observe::Visit;
use super::{Site, compress, csrf, error, headers, host, methods, redirect};

/// Everything that answers on one listener. Cloning counts one reference.
#[derive(Clone, Debug)]
pub struct Front(Arc<Behind>);

#[derive(Debug)]
struct Behind {
    site: Site,
    /// What is answered without waiting.
    quick: Quick,
    router: Routed,
}

/// Made when it is first needed: of the code that ran before a machine's first answer, making the routes and their
/// description was a fifth, and a file needs neither.
type Routed = LazyLock<Router, Box<dyn FnOnce() -> Router + Send>>;

#[derive(Debug)]
enum Quick {
    /// Everything that has no route moves to HTTPS.
    Moved(redirect::Moved),
    /// The static files.
    Files(Files),
}

impl Front {
    /// In front of the HTTPS site's routes.
    pub(super) fn secure(site: Site, routes: impl FnOnce() -> Router<Site> + Send + 'static) -> Self {
        let routes = |site: &Site| {
            let passed = (
                from_fn(named),
                CatchPanicLayer::custom(error::panicked),
                csrf::layer(),
                DefaultBodyLimit::max(site.shared.body_bytes),
            );
            routes().fallback(methods::nowhere).method_not_allowed_fallback(methods::refuse).layer(passed)
        };
        Self::new(site, Quick::Files(Files::new()), routes)
    }

    /// In front of the few routes of the plain HTTP listener.
    pub(super) fn plain(site: Site, routes: impl FnOnce() -> Router<Site> + Send + 'static) -> Self {
        let routes = |_: &Site| {
            routes()
                .fallback(methods::nowhere)
                .method_not_allowed_fallback(methods::refuse)
                .layer(from_fn(named))
        };
        Self::new(site, Quick::Moved(redirect::Moved::new()), routes)
    }

    fn new(site: Site, quick: Quick, routes: impl FnOnce(&Site) -> Router<Site> + Send + 'static) -> Self {
        let state = site.clone();
        let router = LazyLock::new(Box::new(move || routes(&state).with_state(state)) as Box<_>);
        Self(Arc::new(Behind { site, quick, router }))
    }
}

impl Answers for Front {
    fn answer(&self, mut request: Request<Body>, peer: Peer) -> Answer {
        let visit = Visit::begin(&request);
        match self.0.at_once(&request) {
            Some((route, response)) if !error::is_refusal(&response) => {
                Answer::Made(visit.end(&self.0.site, route, response))
            }
            made => {
                request.extensions_mut().insert(peer);
                Answer::Awaited(Box::pin(Arc::clone(&self.0).answer(visit, request, made)))
            }
        }
    }
}

/// For tests without sockets: a request of nobody's in particular.
impl Service<Request<Body>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        self.answer(request, Peer::default())
    }
}

impl Behind {
    /// An answer that needs no router, and what it is called in the figures; `None` where a route is to be looked for.
    fn at_once(&self, request: &Request<Body>) -> Option<(&'static str, Response)> {
        match &self.quick {
            // An authority asks by any of the certificate's names.
            Quick::Moved(_) if redirect::has_route(request.uri().path()) => {
                let refusal = host::oversized(&self.site, request).or_else(|| host::malformed(request));
                refusal.map(|refusal| (UNKNOWN, refusal))
            }
            Quick::Moved(moved) => Some((
                UNKNOWN,
                host::refusal(&self.site, request, || moved.headers())
                    .unwrap_or_else(|| moved.answer(&self.site, request.uri())),
            )),
            Quick::Files(files) => match host::refusal(&self.site, request, headers::always) {
                Some(refusal) => Some((UNKNOWN, refusal)),
                None => files.answer(request),
            },
        }
    }

    /// What is to be waited for: a route's answer, and what is made of it.
    async fn answer(
        self: Arc<Self>,
        visit: Visit,
        request: Request<Body>,
        made: Option<(&'static str, Response)>,
    ) -> Response {
        let span = visit.span();
        async move {
            let (program, wanted) = (error::is_program(&request), compress::Wanted::by(&request));
            let head = request.method() == Method::HEAD;
            let (route, response) = match made {
                Some((route, response)) => (Route::Quick(route), response),
                None => self.routed(request).await,
            };
            let response = error::explained(response, visit.id(), program);
            let mut response = compress::compress(response, wanted).await;
            match &self.quick {
                Quick::Moved(_) => headers::plain(response.headers_mut()),
                Quick::Files(_) => headers::secure(response.headers_mut()),
            }
            let response = if head { without_body(response) } else { response };
            visit.end(&self.site, route.as_str(), response)
        }
        .instrument(span)
        .await
    }

    /// The answer of a route, if it comes in time.
    async fn routed(&self, request: Request<Body>) -> (Route, Response) {
        // A body that says how long it is need not come to be refused.
        if request.body().size_hint().lower() > self.site.shared.body_bytes as u64 {
            return (Route::Quick(UNKNOWN), Error::BodyTooLarge.into_response());
        }
        let answer = db::for_request(Router::clone(&self.router).oneshot(request));
        let mut response = match tokio::time::timeout(self.site.shared.request, answer).await {
            Ok(Ok(response)) => response,
            Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
        };
        if response.status() == StatusCode::NOT_MODIFIED {
            // The router says 0, which would be the length of what is not sent (RFC 9110, 8.6).
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        let matched = response.extensions().get::<MatchedPath>().cloned();
        (matched.map_or(Route::Quick(UNKNOWN), Route::Matched), response)
    }
}

/// The head of an answer alone, with the length that its body would have (RFC 9110, 8.6). HTTP/1.1 sends no body after it
/// anyway, HTTP/2 would.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(bytes) = body.size_hint().exact().filter(|bytes| *bytes > 0) {
        parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| bytes.into());
    }
    Response::from_parts(parts, Body::empty())
}

/// In the place of a route where none was looked for, or none was found.
const UNKNOWN: &str = "";

/// What an answer is called in the figures: never a client's own word.
enum Route {
    Quick(&'static str),
    Matched(MatchedPath),
}

impl Route {
    fn as_str(&self) -> &str {
        match self {
            Self::Quick(route) => route,
            Self::Matched(path) => path.as_str(),
        }
    }
}

/// Tells by which route an answer came.
async fn named(request: Request<Body>, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}
