//! `/search?q=`: posts that have all the words, newest first.
//!
//! Invariant: what MySQL is given is made of letters, digits and our own operators; a visitor's operators are separators.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::Site;
use super::cursor::{self, List};
use super::error::Error;
use super::fields::Query;
use super::page::{encoded, page};
use super::posts::{Page, PageQuery, entries};
use super::session::Anyone;
use db::posts::Scope;
use db::sessions::Viewer;

/// What is typed into a search box.
const QUERY_CHARS: usize = 200;
/// More words do not make a search better.
const WORDS: usize = 8;
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
}

async fn search(
    State(site): State<Site>,
    Anyone(viewer): Anyone,
    Query(SearchQuery { q, after }): Query<SearchQuery>,
) -> Result<Response, Error> {
    if q.chars().count() > QUERY_CHARS {
        return Err(Error::bad("The search is too long."));
    }
    let found = match against(&q) {
        Some(words) => Some(entries(&site, Scope::Matching(&words), &PageQuery { after }).await?),
        None => cursor::start(List::Posts, after.as_deref(), u64::MAX).map(|_| None)?,
    };
    page(&SearchPage { viewer, encoded_query: encoded(&q), query: q, page: found })
}

/// What people type, in MySQL's boolean mode: each word must be there, the last one may be the beginning of one.
/// `None` when no word is left that the index knows.
fn against(query: &str) -> Option<String> {
    let separates = |character: char| !(character.is_alphanumeric() || character == '_');
    let known = |word: &&str| {
        (WORD_CHARS_MIN..=WORD_CHARS_MAX).contains(&word.chars().count())
            && !STOPWORDS.contains(&word.to_lowercase().as_str())
    };
    let words: Vec<String> =
        query.split(separates).filter(known).take(WORDS).map(|word| format!("+{word}")).collect();
    if words.is_empty() { None } else { Some(words.join(" ") + "*") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn operators_of_visitors_are_separators() {
        for (query, expected) in [
            ("rust mysql", Some("+rust +mysql*")),
            ("+rust -mysql \"a phrase\" (x)", Some("+rust +mysql +phrase*")),
            ("~rust* >web< @3", Some("+rust +web*")),
            ("Größe 世界世界", Some("+Größe +世界世界*")),
            ("the of it", None),
            ("\" ' ; -- %", None),
            ("", None),
        ] {
            assert_eq!(against(query).as_deref(), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_words_and_our_operators_is_sent(query in any::<String>()) {
            let Some(sent) = against(&query) else { return Ok(()) };
            let words = sent.strip_suffix('*').unwrap();
            for word in words.split(' ') {
                let word = word.strip_prefix('+').unwrap();
                prop_assert!(word.chars().all(|c| c.is_alphanumeric() || c == '_'), "{sent}");
            }
        }
    }
}
