//! `/search?q=`: posts that have all the words, newest first.
//!
//! Invariant: what MySQL is given is made of letters, their marks, digits and our own operators; a visitor's operators are separators.
//! Searches never have more than two of the connections to MySQL, however many visitors search.

mod index;

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Site;
use super::cursor::{self, List};
use super::error::Error;
use super::fields::Query;
use super::letters::{composed, is_unspaced};
use super::page::{encoded, page};
use super::posts::{Page, PageQuery, entries};
use super::session::Anyone;
use db::posts::Scope;
use db::sessions::Viewer;

/// What is typed into a search box.
const QUERY_CHARS: usize = 200;
/// More words do not make a search better, and each costs MySQL the whole list of who has it.
const WORDS: usize = 5;
/// Searches at once: a search may keep MySQL busy for a second, while every other page takes a millisecond.
const AT_ONCE: usize = 2;
/// Searches that run or wait; more than wait in vain keep nobody's place.
const PLACES: usize = 8;
/// As long as a visitor may wait for a turn.
const TURN: Duration = Duration::from_secs(1);
/// MySQL's index leaves out words that are shorter (innodb_ft_min_token_size).
const WORD_CHARS_MIN: usize = 3;
/// Nor has it longer ones (innodb_ft_max_token_size).
const WORD_CHARS_MAX: usize = 84;
/// The index leaves these out too (INFORMATION_SCHEMA.INNODB_FT_DEFAULT_STOPWORD; those of three letters and more).
const STOPWORDS: [&str; 18] = [
    "about", "are", "com", "for", "from", "how", "that", "the", "this", "und", "was", "what", "when",
    "where", "who", "will", "with", "www",
];

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/search", get(search))
}

#[derive(Deserialize)]
struct SearchQuery {
    #[serde(default)]
    q: String,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    viewer: Option<Viewer>,
    query: String,
    encoded_query: String,
    /// `None`: nothing was asked for that the index could have.
    page: Option<Page>,
    /// Because only words were asked for that it leaves out.
    common: bool,
    /// Whether letters were asked for that make no words for the index.
    unspaced: bool,
}

/// Who may search now.
#[derive(Debug)]
pub(super) struct Searches {
    places: Semaphore,
    turns: Semaphore,
}

impl Default for Searches {
    fn default() -> Self {
        Self { places: Semaphore::new(PLACES), turns: Semaphore::new(AT_ONCE) }
    }
}

impl Searches {
    /// The search's answer when it is its turn; a refusal when too many are before it.
    async fn run<T>(&self, search: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _place = self.places.try_acquire().map_err(|_| Error::Searches)?;
        // It is never closed: what fails is the wait.
        let turn = timeout(TURN, self.turns.acquire()).await.ok().and_then(Result::ok);
        let _turn = turn.ok_or(Error::Searches)?;
        search.await
    }
}

async fn search(
    State(site): State<Site>,
    Anyone(viewer): Anyone,
    Query(SearchQuery { q, after }): Query<SearchQuery>,
) -> Result<Response, Error> {
    if q.chars().count() > QUERY_CHARS {
        return Err(Error::bad("The search is too long."));
    }
    let asked = asked(&q);
    let found = match &asked {
        Asked::For(words) => {
            let query = PageQuery { after };
            let found = entries(&site, Scope::Matching(words), &query);
            Some(site.shared.searches.run(found).await?)
        }
        Asked::Common | Asked::Short => {
            cursor::start(List::Posts, after.as_deref(), u64::MAX).map(|_| None)?
        }
    };
    page(&SearchPage {
        viewer,
        encoded_query: encoded(&q),
        page: found,
        common: asked == Asked::Common,
        unspaced: q.contains(is_unspaced),
        query: q,
    })
}

/// What the index can be asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// This, in MySQL's boolean mode: each word must be there, the last one may be the beginning of one.
    For(String),
    /// Nothing: it leaves these words out, as every other text has them.
    Common,
    /// Nothing: no word is long enough.
    Short,
}

/// What people type, without the words that the index does not know.
fn asked(query: &str) -> Asked {
    let separates = |character: char| !index::knows(character);
    let fits = |word: &&str| (WORD_CHARS_MIN..=WORD_CHARS_MAX).contains(&word.chars().count());
    let is_common = |word: &&str| STOPWORDS.contains(&word.to_lowercase().as_str());
    let query = composed(query);
    let (common, known): (Vec<&str>, Vec<&str>) = query.split(separates).filter(fits).partition(is_common);
    let words: Vec<String> = known.into_iter().take(WORDS).map(|word| format!("+{word}")).collect();
    match words.is_empty() {
        false => Asked::For(words.join(" ") + "*"),
        true if common.is_empty() => Asked::Short,
        true => Asked::Common,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use tower::ServiceExt as _;

    use super::*;

    fn words(query: &str) -> Option<String> {
        match asked(query) {
            Asked::For(words) => Some(words),
            Asked::Common | Asked::Short => None,
        }
    }

    #[test]
    fn words_that_are_left_out_are_told_from_short_ones() {
        for (query, expected) in [
            ("the who", Asked::Common),
            ("of THE", Asked::Common),
            ("of it", Asked::Short),
            ("世界", Asked::Short),
            ("", Asked::Short),
        ] {
            assert_eq!(asked(query), expected, "{query}");
        }
    }

    #[tokio::test]
    async fn a_visitor_is_told_why_nothing_is_looked_for() {
        const RUNS: &str = "written without spaces";
        for (query, says, of_runs) in [
            ("the+who", "too common", false),
            ("of+it", "at least one word of three letters", false),
            ("%E4%B8%96%E7%95%8C", "at least one word of three letters", true),
        ] {
            let request = Request::get(format!("/search?q={query}")).header("host", "www.foobar.com");
            let site = crate::http::secure(crate::http::tests::site());
            let response = site.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let page = response.into_body().collect().await.unwrap().to_bytes();
            let page = String::from_utf8_lossy(&page);
            assert!(page.contains(says) && page.contains(RUNS) == of_runs, "{query}: {page}");
            assert_eq!(page.contains("at least one word"), says.contains("at least one word"), "{query}");
        }
    }

    #[test]
    fn operators_of_visitors_are_separators() {
        for (query, expected) in [
            ("rust mysql", Some("+rust +mysql*")),
            ("+rust -mysql \"a phrase\" (x)", Some("+rust +mysql +phrase*")),
            ("~rust* >web< @3", Some("+rust +web*")),
            ("Größe 世界世界", Some("+Größe +世界世界*")),
            ("हिन्दी भाषा", Some("+हिन्दी +भाषा*")),
            ("தமிழ், ประเทศไทย", Some("+தமிழ் +ประเทศไทย*")),
            ("Vie\u{323}\u{302}t cafe\u{301} latte", Some("+Việt +café +latte*")),
            ("the of it", None),
            ("\" ' ; -- %", None),
            ("", None),
        ] {
            assert_eq!(words(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn five_words_are_looked_for() {
        assert_eq!(
            words("than first busy looks often time all every").as_deref(),
            Some("+than +first +busy +looks +often*")
        );
    }

    /// Starts a search that never ends; it holds its place until it is dropped.
    fn begun(searches: &Arc<Searches>) -> (oneshot::Sender<()>, JoinHandle<Result<(), Error>>) {
        let (end, ended) = oneshot::channel();
        let searches = Arc::clone(searches);
        let search = async {
            let _ = ended.await;
            Ok(())
        };
        let search = async move { searches.run(search).await };
        (end, tokio::spawn(search))
    }

    #[tokio::test(start_paused = true)]
    async fn searches_wait_for_their_turn_and_not_for_ever() {
        let searches = Arc::new(Searches::default());
        let (first, first_search) = begun(&searches);
        let (_second, _second_search) = begun(&searches);
        tokio::task::yield_now().await;
        let mut third = Box::pin(searches.run(async { Ok(3) }));
        assert!(is_waiting(&mut third).await, "three at once");
        first.send(()).unwrap();
        assert!(matches!(first_search.await.unwrap(), Ok(())));
        assert!(matches!(third.await, Ok(3)));
        let (_fourth, _fourth_search) = begun(&searches);
        tokio::task::yield_now().await;
        let refused = searches.run(async { Ok(5) }).await;
        assert!(matches!(refused, Err(Error::Searches)), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_there_are_places() {
        let searches = Arc::new(Searches::default());
        let waiting: Vec<_> = (0..PLACES).map(|_| begun(&searches)).collect();
        tokio::task::yield_now().await;
        let before = tokio::time::Instant::now();
        assert!(matches!(searches.run(async { Ok(()) }).await, Err(Error::Searches)));
        assert_eq!(before.elapsed(), Duration::ZERO);
        drop(waiting);
    }

    #[tokio::test]
    async fn a_visitor_is_told_when_too_many_search() {
        let site = crate::http::tests::site();
        let _taken = site.shared.searches.places.try_acquire_many(PLACES as u32).unwrap();
        for (path, status, says) in [
            ("/search?q=needle", 503, "Too many people are searching"),
            ("/search?q=", 200, "at least one word"),
        ] {
            let request = Request::get(path).header("host", "www.foobar.com").body(Body::empty()).unwrap();
            let response = crate::http::secure(site.clone()).oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            let page = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&page).contains(says), "{path}: {page:?}");
        }
    }

    async fn is_waiting(future: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }

    proptest! {
        #[test]
        fn nothing_but_words_and_our_operators_is_sent(query in any::<String>()) {
            let Some(sent) = words(&query) else { return Ok(()) };
            let words = sent.strip_suffix('*').unwrap();
            for word in words.split(' ') {
                let word = word.strip_prefix('+').unwrap();
                prop_assert!(word.chars().all(index::knows), "{sent}");
            }
        }
    }
}
