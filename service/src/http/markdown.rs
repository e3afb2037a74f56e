//! Markdown to HTML that is safe to show, and to plain text.
//!
//! Invariant: the HTML has only the elements that `SAFE` in the tests lists, no attribute that we did not write, and no
//! link but to `http`, `https`, `mailto` or this site. HTML in the text is shown as text. It is no longer than `bounds.rs`
//! says, whatever the text is.

mod bounds;

use std::collections::VecDeque;
use std::fmt;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use self::bounds::{Bounded, may_multiply, most_bytes};
use super::letters::shows;

/// Schemes that a link may have (with none, it is an address of this site).
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

/// What an excerpt has at most, in characters.
const EXCERPT_CHARS: usize = 280;

/// The text as HTML; just as it was written when its markup would multiply it.
pub(super) fn html(text: &str) -> String {
    let most = most_bytes(text);
    let mut page = Bounded { html: String::with_capacity((text.len() * 3 / 2).min(most)), most };
    match html::write_html_fmt(&mut page, shown(text)) {
        Ok(()) => page.html,
        Err(fmt::Error) => format!("<pre>{}</pre>\n", escaped(text)),
    }
}

/// The beginning of the text without any markup, in one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut words = String::new();
    for event in events(text) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) | Event::Html(text) => {
                words.push_str(&text);
            }
            Event::End(
                TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image,
            ) => {}
            Event::End(_) | Event::SoftBreak | Event::HardBreak => words.push(' '),
            _ => {}
        }
        if words.len() > EXCERPT_CHARS * 8 {
            break;
        }
    }
    shortened(&words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Cut between words where one ends near enough.
fn shortened(line: &str) -> String {
    let Some((end, _)) = line.char_indices().nth(EXCERPT_CHARS) else { return line.to_owned() };
    let cut = &line[..end];
    let whole = cut.rfind(' ').filter(|space| *space > end / 2).map_or(cut, |space| &cut[..space]);
    format!("{whole} …")
}

fn events(text: &str) -> Parser<'_> {
    let tables = if may_multiply(text) { Options::empty() } else { Options::ENABLE_TABLES };
    Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH | tables)
}

/// What is shown of a text.
fn shown(text: &str) -> impl Iterator<Item = Event<'_>> {
    let mut links = Links::default();
    let mut headings = Headings::default();
    let mut events = events(text).filter_map(move |event| links.pass(event));
    let mut heading = VecDeque::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(event) = heading.pop_front() {
                return Some(event);
            }
            match events.next()? {
                Event::Start(Tag::Heading { level, .. }) => heading = headings.whole(level, &mut events),
                event => return Some(event),
            }
        }
    })
}

/// The link that is being written.
struct Link {
    /// As it stands in the HTML.
    address: String,
    /// Whether it has anything that a reader can see.
    shows: bool,
}

/// Which of the open links were written. (A picture within a link opens a second one.)
#[derive(Default)]
struct Links {
    open: Vec<bool>,
    written: Option<Link>,
}

impl Links {
    fn pass<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        Some(match event {
            Event::Html(text) | Event::InlineHtml(text) => self.text(Event::Text(text)),
            Event::Text(_) | Event::Code(_) => self.text(event),
            Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
            Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
            // A picture from elsewhere would tell elsewhere who reads this: it becomes a link.
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                return self.open(&dest_url);
            }
            Event::End(TagEnd::Link | TagEnd::Image) => return self.close(),
            // Alignment would be an inline style, which the content security policy refuses.
            Event::Start(Tag::Table(columns)) => {
                Event::Start(Tag::Table(vec![pulldown_cmark::Alignment::None; columns.len()]))
            }
            event => event,
        })
    }

    fn text<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        if let Some(link) = &mut self.written {
            link.shows = link.shows || is_seen(&event);
        }
        event
    }

    fn open(&mut self, address: &str) -> Option<Event<'static>> {
        let written = is_safe(address) && self.written.is_none();
        self.open.push(written);
        let address = escaped(address);
        let tag = written.then(|| raw(format!(r#"<a href="{address}" rel="nofollow ugc noopener">"#)));
        if written {
            self.written = Some(Link { address, shows: false });
        }
        tag
    }

    /// A link without anything to see could not be followed: it shows where it leads.
    fn close(&mut self) -> Option<Event<'static>> {
        let was_written = self.open.pop().unwrap_or_default();
        let link = self.written.take_if(|_| was_written)?;
        Some(raw(if link.shows { "</a>".to_owned() } else { link.address + "</a>" }))
    }
}

/// Where the headings of a text stand below the page's own, which is the first. One that begins deeper than its reader has
/// come, as `####` at first, is moved up: headings are what screen readers find their way by.
#[derive(Default)]
struct Headings {
    /// The levels, as they were written, of the heading that came last and of those it stands under.
    above: Vec<HeadingLevel>,
}

impl Headings {
    /// A heading whose start was just read; nothing if there is nothing to see in it.
    fn whole<'a>(
        &mut self,
        level: HeadingLevel,
        events: &mut impl Iterator<Item = Event<'a>>,
    ) -> VecDeque<Event<'a>> {
        let inside = events.take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let mut whole: VecDeque<_> = inside.collect();
        if whole.iter().any(is_seen) {
            let level = self.below(level);
            whole.push_front(Event::Start(heading(level)));
            whole.push_back(Event::End(TagEnd::Heading(level)));
        } else {
            whole.clear();
        }
        whole
    }

    fn below(&mut self, level: HeadingLevel) -> HeadingLevel {
        self.above.retain(|above| *above < level);
        self.above.push(level);
        match self.above.len() {
            1 => HeadingLevel::H2,
            2 => HeadingLevel::H3,
            3 => HeadingLevel::H4,
            4 => HeadingLevel::H5,
            _ => HeadingLevel::H6,
        }
    }
}

/// Whether a reader sees anything of it. (What is raw is the end of a link that shows where it leads, or of one that shows
/// something.)
fn is_seen(event: &Event<'_>) -> bool {
    match event {
        Event::Text(text) | Event::Code(text) => shows(text),
        Event::InlineHtml(_) => true,
        _ => false,
    }
}

fn raw(html: String) -> Event<'static> {
    Event::InlineHtml(CowStr::from(html))
}

fn heading(level: HeadingLevel) -> Tag<'static> {
    Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() }
}

/// Browsers drop tabs, line ends and leading controls before they look for a scheme (WHATWG URL, 4.4): an address with
/// any is refused, so that both see the same.
fn is_safe(address: &str) -> bool {
    if !shows(address) || address.chars().any(|character| character.is_control() || character == ' ') {
        return false;
    }
    let scheme_end = address.find([':', '/', '?', '#']).filter(|at| address[*at..].starts_with(':'));
    match scheme_end {
        Some(end) => SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(&address[..end])),
        // `//host` and `/\host` leave the site, which a link may; they can have no other scheme than https.
        None => true,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every element that may occur.
    const SAFE: [&str; 27] = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "div",
        "em",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
        "s",
        "span",
    ];
    /// Every attribute that may occur.
    const ATTRIBUTES: [&str; 4] = ["href", "rel", "class", "start"];

    /// The faults of a piece of HTML as a browser would read it: elements and attributes beyond the lists.
    pub(super) fn faults(html: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for tag in html.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').unwrap_or((tag, ""));
            let name: String =
                tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            if !SAFE.contains(&name.as_str()) {
                faults.push(format!("element {name:?}"));
            }
            let outside = tag.split('"').step_by(2).collect::<String>();
            for attribute in outside.split_whitespace().skip(1) {
                let attribute = attribute.trim_end_matches(['=', '/']);
                if !attribute.is_empty() && !ATTRIBUTES.contains(&attribute) {
                    faults.push(format!("attribute {attribute:?}"));
                }
            }
            if let Some((_, rest)) = tag.split_once("href=\"") {
                let address = rest.split('"').next().unwrap_or_default().to_ascii_lowercase();
                let scheme = address.split(['/', '?', '#']).next().unwrap_or_default().split_once(':');
                if scheme.is_some_and(|(scheme, _)| !SCHEMES.contains(&scheme)) {
                    faults.push(format!("address {address:?}"));
                }
            }
        }
        faults.extend(["a", "h2", "h3", "h4", "h5", "h6"].into_iter().flat_map(|name| unseen(html, name)));
        faults
    }

    /// The elements of this name without anything to see.
    fn unseen(html: &str, name: &str) -> Vec<String> {
        let (start, end) = (format!("<{name}"), format!("</{name}>"));
        let elements = html.split(&start).skip(1).filter(|rest| rest.starts_with(['>', ' ']));
        let inside = elements.filter_map(|rest| rest.split(&end).next()?.split_once('>'));
        let text = |inside: &str| -> String {
            inside
                .split('<')
                .enumerate()
                .map(|(at, part)| if at == 0 { part } else { part.split_once('>').unwrap().1 })
                .collect()
        };
        inside
            .filter(|(_, inside)| !shows(&text(inside)))
            .map(|(_, inside)| format!("empty {name}: {inside:?}"))
            .collect()
    }

    #[test]
    fn markup_becomes_elements() {
        assert_eq!(
            html("# One\n\n*em* **strong** `code` [link](https://example.com/?a=1&b=2)"),
            "<h2>One</h2>\n<p><em>em</em> <strong>strong</strong> <code>code</code> \
             <a href=\"https://example.com/?a=1&amp;b=2\" rel=\"nofollow ugc noopener\">link</a></p>\n"
        );
    }

    #[test]
    fn html_is_shown_as_text() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div onclick='x'>\n\nmore</div>",
            "<!-- comment -->",
            "<svg/onload=alert(1)>",
            "<a href=\"javascript:alert(1)\">x</a>",
        ] {
            let page = html(text);
            assert_eq!(faults(&page), Vec::<String>::new(), "{page}");
            assert!(page.contains("&lt;"), "{page}");
        }
    }

    #[test]
    fn a_link_with_another_scheme_is_only_its_text() {
        for address in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html;base64,AAAA",
            "vbscript:x",
            "&#106;avascript:alert(1)",
            "java&Tab;script:alert(1)",
            "<java\tscript:alert(1)>",
            "&#1;javascript:alert(1)",
            "file:///etc/passwd",
        ] {
            let page = html(&format!("[text]({address}) ![picture]({address})"));
            assert!(!page.contains("<a "), "{address}: {page}");
        }
        for address in
            ["https://example.com", "HTTP://example.com", "mailto:a@example.com", "/posts/1", "#x", "?q=a:b"]
        {
            assert!(html(&format!("[text]({address})")).contains("<a "), "{address}");
        }
    }

    #[test]
    fn a_picture_is_a_link_and_no_link_holds_another() {
        let page = html("![alt](https://example.com/a.png) [![inner](https://a.example)](https://b.example)");
        assert!(!page.contains("<img"), "{page}");
        assert_eq!(page.matches("<a ").count(), 2, "{page}");
        assert_eq!(page.matches("</a>").count(), 2, "{page}");
    }

    #[test]
    fn a_link_without_anything_to_see_shows_where_it_leads() {
        let link = r#"<a href="/b?c&amp;d" rel="nofollow ugc noopener">"#;
        for text in [
            "[](/b?c&d)",
            "![](/b?c&d)",
            "[\u{200b}](/b?c&d)",
            "[![](https://a.example)](/b?c&d)",
            "[` `](/b?c&d)",
        ] {
            let page = html(text);
            assert!(page.contains(link) && page.contains("/b?c&amp;d</a>"), "{text}: {page}");
        }
        assert_eq!(html("[![x](https://a.example)](/b)").matches("/b").count(), 1);
        assert_eq!(html("![](javascript:x) [](\u{3164})"), "<p> </p>\n");
    }

    #[test]
    fn headings_lead_down_one_by_one() {
        let levels = |text: &str| -> String {
            html(text).split("<h").skip(1).filter_map(|rest| rest.chars().next()).collect()
        };
        for (text, expected) in [
            ("# a\n## b\n### c\n# d", "2342"),
            ("#### a\n\ntext", "2"),
            ("### a\n# b\n### c\n#### d\n## e", "22343"),
            ("# a\n## a\n### a\n#### a\n##### a\n###### a", "234566"),
            ("a\n-\nb\n=", "22"),
            ("#\n\n# \u{200b}\n\n## ![](javascript:x)\n\ntext", ""),
            ("# [](/x)\n# <b>\n# `c`", "222"),
        ] {
            assert_eq!(levels(text), expected, "{text:?}: {}", html(text));
        }
    }

    #[test]
    fn an_excerpt_has_no_markup_and_ends_between_words() {
        assert_eq!(
            excerpt("# Title\n\nSome *text* and `code`.\n\n- a\n- b"),
            "Title Some text and code. a b"
        );
        let long = excerpt(&"word ".repeat(200));
        assert!(long.ends_with("word …") && long.chars().count() <= EXCERPT_CHARS + 2, "{long}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_text_makes_anything_else(
            parts in prop::collection::vec(
                prop_oneof![
                    "[\\[\\]()<>!*_`#&;:\"'=/\\\\ \n|-]{1,6}",
                    "\\PC{0,6}",
                    prop::sample::select(vec![
                        "<script>", "javascript:", "onerror=", "<img src=", "](", "![", "[a](", "<a href=\"", "&lt;",
                        "&#x3c;", "```", "\n\n", "|a|b|\n|:-|-:|\n", "<!--", "]]>", "<?php", "{#id .class on=x}",
                    ]).prop_map(str::to_owned),
                ],
                0..12,
            )
        ) {
            let text = parts.concat();
            let page = html(&text);
            prop_assert_eq!(faults(&page), Vec::<String>::new(), "{:?} gave {}", text, page);
        }
    }
}
