//! Writing for programs: posts and comments of the token's holder, under the rules of the forms.
//!
//! Invariant: what a form refuses is refused here, too. Beyond that a program is held to what the description says, where a
//! form forgives: its tags come one by one.
#![allow(unused_qualifications, reason = "utoipa's macros write whole paths")]

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::bearer::Holder;
use super::body::Body;
use super::condition::Unconditional;
use super::posts::{Comment, Post, whole};
use crate::http::comments::{COMMENT_CHARS, comment_fault, comment_text};
use crate::http::error::{Error, Fault};
use crate::http::id::Id;
use crate::http::posts::{BODY_CHARS, Draft, TAGS, own};
use crate::http::problem::Refusals;
use crate::http::{Site, gate};
use db::posts::{Edited, Text};

/// One line, not only of space; without characters that readers cannot see or that turn others round (`letters.rs`).
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 120,
    pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u115f\\u1160\\u180e\\u200b\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb]*[^\\s\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u115f\\u1160\\u180e\\u200b\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\u034f\\u061c\\u17b4\\u17b5\\u180b-\\u180f\\u200c-\\u200f\\u2800\\ufe00-\\ufe0f\\ufff0-\\ufffb\\ufffe\\uffff\u{16fe4}\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}][^\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u115f\\u1160\\u180e\\u200b\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb]*$"
)]
pub(super) struct Title(String);

/// Markdown, not only of space.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 10000,
    pattern = "^([^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]|\\r\\n)*[^\\s\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u115f\\u1160\\u180e\\u200b\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\u034f\\u061c\\u17b4\\u17b5\\u180b-\\u180f\\u200c-\\u200f\\u2800\\ufe00-\\ufe0f\\ufff0-\\ufffb\\ufffe\\uffff\u{16fe4}\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]([^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]|\\r\\n)*$"
)]
pub(super) struct LongText(String);

/// Markdown, not only of space.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 2000,
    pattern = "^([^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]|\\r\\n)*[^\\s\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u115f\\u1160\\u180e\\u200b\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\u034f\\u061c\\u17b4\\u17b5\\u180b-\\u180f\\u200c-\\u200f\\u2800\\ufe00-\\ufe0f\\ufff0-\\ufffb\\ufffe\\uffff\u{16fe4}\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]([^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]|\\r\\n)*$"
)]
pub(super) struct ShortText(String);

/// A post to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPost {
    title: Title,
    body: LongText,
    #[serde(default)]
    #[schema(max_items = 5)]
    tags: Vec<Tag>,
}

/// A post's new text, all of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    title: Title,
    body: LongText,
    #[serde(default)]
    #[schema(max_items = 5)]
    tags: Vec<Tag>,
    /// The version that the program has read. If the post is at another by now, nothing is written (409).
    #[serde(deserialize_with = "whole_number")]
    #[schema(minimum = 1, maximum = 4294967295_i64)]
    version: u32,
}

/// Letters and digits of any script with their marks, hyphens and plus signs, and no mark first; kept in lower case.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 30,
    pattern = "^[\\p{L}\\p{N}\\u24b6-\\u24e9\u{1f130}-\u{1f149}\u{1f150}-\u{1f169}\u{1f170}-\u{1f189}+-][\\p{L}\\p{M}\\p{N}\\u24b6-\\u24e9\u{1f130}-\u{1f149}\u{1f150}-\u{1f169}\u{1f170}-\u{1f189}+-]*$"
)]
pub(super) struct Tag(String);

/// A comment to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewComment {
    body: ShortText,
}

/// Write a post.
#[utoipa::path(post, path = "/api/v1/posts", tag = "posts", request_body = NewPost, security(("token" = [])), responses(
    (status = 201, description = "The post", body = Post, headers(("location" = String, description = "Where the post is"))),
    Refusals,
))]
pub(super) async fn add(
    State(site): State<Site>,
    Holder(user): Holder,
    Body(new): Body<NewPost>,
) -> Result<Response, Error> {
    let (draft, tags) = accepted(new.title, new.body, new.tags)?;
    gate::writing(&site, user).await?;
    let text = Text { title: &draft.title, body: &draft.body, tags: &tags };
    let id = site.database.add_post(user, text).await?.ok_or(Error::NoToken { sent: true })?;
    let post = whole(&site, id).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/v1/posts/{id}"))], Json(post)).into_response())
}

/// Replace the text of one's own post.
#[utoipa::path(put, path = "/api/v1/posts/{id}", tag = "posts", params(("id" = u64, Path)), request_body = Edit,
    security(("token" = [])), responses((status = 200, description = "The post as it is now", body = Post), Refusals))]
pub(super) async fn edit(
    State(site): State<Site>,
    Holder(user): Holder,
    _: Unconditional,
    Id(id): Id,
    Body(edit): Body<Edit>,
) -> Result<Json<Post>, Error> {
    let (draft, tags) = accepted(edit.title, edit.body, edit.tags)?;
    gate::writing(&site, user).await?;
    let text = Text { title: &draft.title, body: &draft.body, tags: &tags };
    match site.database.edit_post(id, user, edit.version, text).await? {
        Edited::Done => Ok(Json(whole(&site, id).await?)),
        Edited::Stale(now) => {
            let reason = format!("The post is at version {} by now: read it, and edit that.", now.version);
            Err(Error::Refused(StatusCode::CONFLICT, reason.into()))
        }
        Edited::Missing => own(&site, user, id).await.and(Err(Error::NotFound)),
    }
}

/// Delete one's own post with its comments.
#[utoipa::path(delete, path = "/api/v1/posts/{id}", tag = "posts", params(("id" = u64, Path)),
    security(("token" = [])), responses((status = 204, description = "It is gone"), Refusals))]
pub(super) async fn delete(
    State(site): State<Site>,
    Holder(user): Holder,
    _: Unconditional,
    Id(id): Id,
) -> Result<StatusCode, Error> {
    gate::writing(&site, user).await?;
    if !site.database.delete_post(id, user).await? {
        return own(&site, user, id).await.and(Err(Error::NotFound));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Comment on a post.
#[utoipa::path(post, path = "/api/v1/posts/{id}/comments", tag = "comments", params(("id" = u64, Path)),
    request_body = NewComment, security(("token" = [])), responses((status = 201, description = "The comment", body = Comment), Refusals))]
pub(super) async fn comment(
    State(site): State<Site>,
    Holder(user): Holder,
    Id(id): Id,
    Body(new): Body<NewComment>,
) -> Result<Response, Error> {
    let fault = too_long(&new.body.0, COMMENT_CHARS).or_else(|| comment_fault(&one_line_end(&new.body.0)));
    let body = fault.map_or_else(|| comment_text(&new.body.0).map_err(|(_, fault)| fault), Err);
    let body = body.map_err(|fault| faulty([("/body", Some(fault))]))?;
    gate::writing(&site, user).await?;
    let comment = site.database.add_comment(id, user, &body).await?.ok_or(Error::NotFound)?;
    let written = site.database.comments(id, comment - 1, 1).await?.pop().ok_or(Error::NotFound)?;
    Ok((StatusCode::CREATED, Json(Comment::from(written))).into_response())
}

/// Delete one's own comment.
#[utoipa::path(delete, path = "/api/v1/comments/{id}", tag = "comments", params(("id" = u64, Path)),
    security(("token" = [])), responses((status = 204, description = "It is gone"), Refusals))]
pub(super) async fn delete_comment(
    State(site): State<Site>,
    Holder(user): Holder,
    _: Unconditional,
    Id(id): Id,
) -> Result<StatusCode, Error> {
    gate::writing(&site, user).await?;
    site.database.delete_comment(id, user).await?.map(|_| StatusCode::NO_CONTENT).ok_or(Error::NotFound)
}

/// JSON has one kind of number: `1.0` and `1e0` are whole ones, too (JSON Schema, Validation, 6.1.1).
fn whole_number<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let number = f64::deserialize(from)?;
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    if fits { Ok(number as u32) } else { Err(serde::de::Error::custom("a version is a whole number")) }
}

/// The post as it will be stored, or everything that is wrong with it.
fn accepted(
    Title(title): Title,
    LongText(body): LongText,
    tags: Vec<Tag>,
) -> Result<(Draft, Vec<String>), Error> {
    let tags: Vec<String> = tags.into_iter().map(|Tag(tag)| tag).collect();
    let long = too_long(&body, BODY_CHARS);
    let odd = tags.len() > TAGS || tags.iter().any(|tag| !Draft::is_tag(tag));
    let odd = odd.then(|| format!("At most {TAGS} tags of letters, digits, hyphens and plus signs."));
    let draft = Draft { title, body: one_line_end(&body), tags: tags.join(" ") };
    let (faults, draft) = (draft.faults(), draft.normalized());
    // A text may be longer when it is composed.
    let stored = draft.faults();
    let faults = [
        ("/title", faults.title.or(stored.title)),
        ("/body", faults.body.or(long).or(stored.body)),
        ("/tags", faults.tags.or(odd).or(stored.tags)),
    ];
    if faults.iter().any(|(_, fault)| fault.is_some()) {
        return Err(faulty(faults));
    }
    let tags = draft.tag_list();
    Ok((draft, tags))
}

/// The text as it is judged: the description speaks of the space around it, too, which the forms take away first.
fn one_line_end(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The description counts each character of a line's end.
fn too_long(text: &str, most: usize) -> Option<String> {
    (text.chars().count() > most).then(|| format!("At most {most} characters are possible."))
}

fn faulty(faults: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Error {
    let faults = faults.into_iter().filter_map(|(pointer, detail)| Some(Fault { pointer, detail: detail? }));
    Error::Faulty(faults.collect())
}

#[cfg(test)]
mod tests {
    use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind};
    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;
    use crate::http::letters::{misleads, shows};

    /// The sets of characters that the pattern of a schema names, in their order.
    fn sets<T: PartialSchema>() -> Vec<ClassUnicode> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let mut sets = Vec::new();
        collect(&regex_syntax::parse(schema["pattern"].as_str().unwrap()).unwrap(), &mut sets);
        sets
    }

    fn collect(pattern: &Hir, sets: &mut Vec<ClassUnicode>) {
        match pattern.kind() {
            HirKind::Class(Class::Unicode(set)) => sets.push(set.clone()),
            HirKind::Repetition(repetition) => collect(&repetition.sub, sets),
            HirKind::Capture(capture) => collect(&capture.sub, sets),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().for_each(|part| collect(part, sets));
            }
            _ => {}
        }
    }

    fn has(set: &ClassUnicode, character: char) -> bool {
        set.iter().any(|range| (range.start()..=range.end()).contains(&character))
    }

    /// The description says which characters a text may have, and of which it must have one.
    #[test]
    fn the_description_says_what_is_accepted() {
        let texts = [sets::<Title>(), sets::<LongText>(), sets::<ShortText>()];
        // All planes that have letters or anything without a trace; the others have no characters.
        for character in ('\0'..'\u{20000}').chain('\u{e0000}'..'\u{f0000}') {
            let line = !character.is_control() && !misleads(character);
            let text = !character.is_control() || matches!(character, '\n' | '\t');
            let seen = shows(character.encode_utf8(&mut [0; 4]));
            for (sets, allowed) in texts.iter().zip([line, text, text]) {
                let [around, one, after] = &sets[..] else { panic!("another pattern: {sets:?}") };
                assert_eq!(has(around, character), allowed, "{character:?}");
                assert_eq!(has(after, character), allowed, "{character:?}");
                assert_eq!(has(one, character), seen && allowed, "{character:?}");
            }
        }
    }

    #[test]
    fn the_description_says_which_tags_are_accepted() {
        let sets = sets::<Tag>();
        let [first, others] = &sets[..] else { panic!("another pattern: {sets:?}") };
        // Unicode grows: who reads the pattern knows no younger characters than their own version has.
        let mut known = Vec::new();
        collect(&regex_syntax::parse(r"\P{Cn}").unwrap(), &mut known);
        let characters = ('\0'..'\u{40000}').chain('\u{e0000}'..'\u{f0000}');
        for character in characters.filter(|character| has(&known[0], *character)) {
            let accepted = Draft::is_tag(character.encode_utf8(&mut [0; 4]));
            assert_eq!(has(first, character), accepted, "{character:?}");
            assert_eq!(has(others, character), Draft::is_tag(&format!("a{character}")), "{character:?}");
        }
    }

    #[test]
    fn what_grows_when_it_is_composed_must_fit_then() {
        let new = json!({"title": "\u{958}".repeat(120), "body": "b"});
        let new: NewPost = serde_json::from_value(new).unwrap();
        assert!(accepted(new.title, new.body, new.tags).is_err());
    }

    #[test]
    fn space_around_a_text_is_judged_too() {
        let written = |title: &str, body: &str| {
            let new = json!({"title": title, "body": body});
            let new: NewPost = serde_json::from_value(new).unwrap();
            accepted(new.title, new.body, new.tags).map(|(draft, _)| (draft.title, draft.body)).ok()
        };
        assert_eq!(written(" a ", "\n b\r\n"), Some(("a".to_owned(), "b".to_owned())));
        for (title, body) in
            [("a\u{85}", "b"), ("a\u{2028}", "b"), ("a\n", "b"), ("a", "b\u{b}"), ("a", "\u{c}b")]
        {
            assert_eq!(written(title, body), None, "{title:?} {body:?}");
        }
    }
}
