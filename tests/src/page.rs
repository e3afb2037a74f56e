//! As much HTML as a claim needs: the tags of a page, its links, and its forms.
//!
//! It is no parser: it reads start tags with quoted or bare attributes, as this site writes them.

use anyhow::{Context, Result};

use crate::Request;

/// A start tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Name in lower case; a closing tag's begins with a slash.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// The value of an attribute; empty for one without a value.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// All tags of a page, in order.
#[must_use]
pub fn tags(html: &str) -> Vec<Tag> {
    html.split('<').skip(1).filter_map(tag).collect()
}

fn tag(rest: &str) -> Option<Tag> {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '/'))?;
    let (name, mut rest) = rest.split_at(end);
    let mut attributes = Vec::new();
    while let Some((attribute, tail)) = attribute(rest) {
        attributes.push(attribute);
        rest = tail;
    }
    (!name.is_empty()).then(|| Tag { name: name.to_ascii_lowercase(), attributes })
}

fn attribute(text: &str) -> Option<((String, String), &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| c == '=' || c == '>' || c == '/' || c.is_whitespace())?;
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let (value, rest) = match rest.strip_prefix('=') {
        Some(rest) => value(rest)?,
        None => ("", rest),
    };
    Some(((name.to_ascii_lowercase(), unescaped(value)), rest))
}

fn value(text: &str) -> Option<(&str, &str)> {
    match text.chars().next()? {
        quote @ ('"' | '\'') => text[1..].split_once(quote),
        _ => Some(text.split_at(text.find(|c: char| c == '>' || c.is_whitespace())?)),
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// Paths of the files on this site that the page loads: style sheets, scripts, pictures.
#[must_use]
pub fn assets(html: &str) -> Vec<String> {
    let loaded = |tag: Tag| match tag.name.as_str() {
        "link" => tag.attribute("href").map(str::to_owned),
        "script" | "img" => tag.attribute("src").map(str::to_owned),
        _ => None,
    };
    tags(html).into_iter().filter_map(loaded).filter(|path| path.starts_with('/')).collect()
}

/// A form that posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    action: String,
    /// Name and, for hidden fields, the value that the page gave.
    fields: Vec<(String, Option<String>)>,
}

impl Form {
    /// The page's form that posts to this path.
    ///
    /// # Errors
    /// When it has none.
    pub fn to(action: &str, html: &str) -> Result<Self> {
        let wanted = |tag: &Tag| posts(tag) && tag.attribute("action") == Some(action);
        let mut tags = tags(html).into_iter().skip_while(|tag| !wanted(tag));
        tags.next().with_context(|| format!("the page has no form that posts to {action}"))?;
        let fields = tags.take_while(|tag| tag.name != "/form").filter_map(|tag| field(&tag)).collect();
        Ok(Self { action: action.to_owned(), fields })
    }

    /// With this value in the field of this name, if it has one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        for field in self.fields.iter_mut().filter(|(known, _)| known == name) {
            field.1 = Some(value.to_owned());
        }
        self
    }

    /// Where it posts to.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The request that a browser on `host` sends when `text` stands in every field a person can fill, but for those that
    /// [`Self::with`] has filled.
    #[must_use]
    pub fn filled(&self, host: &str, text: &str) -> Request {
        let fields: Vec<(&str, &str)> = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or(text)))
            .collect();
        Request::form(&self.action, &fields)
            .header(http::header::ORIGIN, format!("https://{host}"))
            .header(http::HeaderName::from_static("sec-fetch-site"), "same-origin")
    }
}

fn posts(tag: &Tag) -> bool {
    tag.name == "form" && tag.attribute("method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
}

fn field(tag: &Tag) -> Option<(String, Option<String>)> {
    let name = tag.attribute("name")?.to_owned();
    match (tag.name.as_str(), tag.attribute("type").unwrap_or("text")) {
        ("input", "hidden") => Some((name, Some(tag.attribute("value").unwrap_or_default().to_owned()))),
        ("input", "text" | "search" | "password") | ("textarea" | "select", _) => Some((name, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><link rel=stylesheet href="/static/a.css"><form action="/q"><input name=q></form>
        <form method="post" action="/posts?a=1&amp;b=2"><input type="hidden" name="token" value="t&quot;1">
        <input required maxlength=200 name="title"/><textarea name='body'></textarea><button>Post</button></form>
        <input name="outside">"#;

    #[test]
    fn the_posting_form_is_found_among_others() {
        let form = Form::to("/posts?a=1&b=2", PAGE).unwrap();
        assert_eq!(form.action(), "/posts?a=1&b=2");
        let names: Vec<&str> = form.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["token", "title", "body"]);
    }

    #[test]
    fn hidden_fields_keep_what_the_page_gave() {
        assert_eq!(
            Form::to("/posts?a=1&b=2", PAGE).unwrap().filled("h", "x").body,
            "token=t%221&title=x&body=x"
        );
    }

    #[test]
    fn a_field_is_filled_by_its_name() {
        let form = Form::to("/posts?a=1&b=2", PAGE).unwrap().with("title", "t").with("none", "n");
        assert_eq!(form.filled("h", "x").body, "token=t%221&title=t&body=x");
    }

    #[test]
    fn assets_are_files_of_this_site() {
        assert_eq!(assets(PAGE), ["/static/a.css"]);
    }

    #[test]
    fn damaged_html_ends() {
        for html in ["<", "<a", "<a b", "<a b=", "<a b='", "<form method=post", "< ><>"] {
            assert!(tags(html).len() <= 1, "{html}");
        }
    }
}
