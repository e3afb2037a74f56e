//! The forms of a post: what they hold, and what is wrong with it.
//!
//! Invariant: a draft without faults fits the table, shows something, and has no control character; its title has none that
//! turns round or hides what a reader sees of it.

use serde::Deserialize;

use crate::http::letters::{composed, is_mark, is_of_word, misleads, shows};
use db::posts::Post;

/// As the column `posts.title`.
const TITLE_CHARS: usize = 120;
/// A long letter; 40 kB at most, well within the column `posts.body`.
pub(in crate::http) const BODY_CHARS: usize = 10_000;
/// Five of the longest fit the column `posts.tags`.
pub(in crate::http) const TAGS: usize = 5;
/// As the column `tags.name`.
const TAG_CHARS: usize = 30;

/// What the visitor wrote.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Draft {
    pub(in crate::http) title: String,
    pub(in crate::http) body: String,
    /// As they were written: separated by spaces or commas.
    #[serde(default)]
    pub(in crate::http) tags: String,
}

/// A draft for an existing post, and the version that it was written from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    title: String,
    body: String,
    #[serde(default)]
    tags: String,
    pub(super) version: u32,
}

impl Change {
    pub(super) fn draft(&self) -> Draft {
        Draft { title: self.title.clone(), body: self.body.clone(), tags: self.tags.clone() }
    }
}

impl From<&Post> for Draft {
    fn from(post: &Post) -> Self {
        Self { title: post.title.clone(), body: post.body.clone(), tags: post.tags.clone() }
    }
}

/// A sentence for each field that cannot be accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Faults {
    pub(in crate::http) title: Option<String>,
    pub(in crate::http) body: Option<String>,
    pub(in crate::http) tags: Option<String>,
}

impl Faults {
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl Draft {
    /// Without space around the texts, composed, and with the line ends of a file (forms send CR LF).
    pub(in crate::http) fn normalized(&self) -> Self {
        let text = |text: &str| composed(text.replace("\r\n", "\n").trim()).into_owned();
        Self { title: text(&self.title), body: text(&self.body), tags: text(&self.tags) }
    }

    /// The tags as they are stored: lower case, none twice, in the order in which they were written.
    pub(in crate::http) fn tag_list(&self) -> Vec<String> {
        let mut list = Vec::new();
        for tag in self.tags.split(|character: char| character.is_whitespace() || character == ',') {
            let tag = Self::stored_tag(tag.strip_prefix('#').unwrap_or(tag));
            if !tag.is_empty() && !list.contains(&tag) {
                list.push(tag);
            }
        }
        list
    }

    /// A tag as it is stored.
    pub(in crate::http) fn stored_tag(text: &str) -> String {
        composed(&text.to_lowercase()).into_owned()
    }

    /// Whether a text is one tag as it is. A mark has nothing to stand on at its beginning.
    pub(in crate::http) fn is_tag(text: &str) -> bool {
        let allowed = |character: char| is_of_word(character) || matches!(character, '-' | '+');
        (1..=TAG_CHARS).contains(&text.chars().count())
            && !text.starts_with(is_mark)
            && text.chars().all(allowed)
    }

    fn tags_fault(&self) -> Option<String> {
        let tags = self.tag_list();
        if tags.len() > TAGS {
            return Some(format!("At most {TAGS} tags are possible."));
        }
        let long = tags.iter().find(|tag| tag.chars().count() > TAG_CHARS);
        if long.is_some() {
            return Some(format!("A tag has at most {TAG_CHARS} characters."));
        }
        let odd = tags.iter().find(|tag| !Self::is_tag(tag));
        odd.map(|_| "A tag has letters, digits, hyphens and plus signs only.".to_owned())
    }

    pub(in crate::http) fn faults(&self) -> Faults {
        Faults {
            title: fault(&self.title, "title", TITLE_CHARS, |_| false)
                .or_else(|| hidden(&self.title, "title")),
            body: fault(&self.body, "text", BODY_CHARS, |character| matches!(character, '\n' | '\t')),
            tags: self.tags_fault(),
        }
    }
}

fn hidden(line: &str, name: &str) -> Option<String> {
    let sentence =
        format!("The {name} contains a character that readers cannot see, or that turns others round.");
    line.contains(misleads).then_some(sentence)
}

/// What is wrong with one text: nothing to see in it, too much, or a control character.
pub(in crate::http) fn fault(
    text: &str,
    name: &str,
    most: usize,
    allowed: fn(char) -> bool,
) -> Option<String> {
    let length = text.chars().count();
    if text.chars().any(|character| character.is_control() && !allowed(character)) {
        Some(format!("The {name} contains a control character."))
    } else if !shows(text) {
        Some(format!("Please write a {name}."))
    } else if length > most {
        Some(format!("The {name} is {length} characters long; at most {most} are possible."))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft(title: &str, body: &str) -> Draft {
        Draft { title: title.to_owned(), body: body.to_owned(), tags: String::new() }.normalized()
    }

    fn tagged(tags: &str) -> Draft {
        Draft { title: "a".into(), body: "b".into(), tags: tags.into() }.normalized()
    }

    #[test]
    fn tags_are_lower_case_and_there_once() {
        assert_eq!(tagged(" #Rust, rust  c++,Größe ").tag_list(), ["rust", "c++", "größe"]);
        assert!(tagged("").tag_list().is_empty());
    }

    #[test]
    fn tags_of_every_script_are_possible() {
        for tags in ["हिन्दी தமிழ் ที่นี่ 世界", "Vie\u{323}\u{302}t Kelvin\u{30a}"]
        {
            assert_eq!(tagged(tags).faults(), Faults::default(), "{tags}");
        }
        assert_eq!(tagged("Vie\u{323}\u{302}t VIỆT").tag_list(), ["việt"]);
        for tags in ["\u{301}a", "#\u{94d}", "a \u{301}"] {
            assert!(tagged(tags).faults().tags.is_some(), "{tags:?}");
        }
    }

    #[test]
    fn texts_are_stored_composed() {
        let accents = draft("cafe\u{301}", "Vie\u{323}\u{302}t");
        assert_eq!((accents.title.as_str(), accents.body.as_str()), ("café", "Việt"));
        // Some letters have no composed form of their own and grow: what is stored is what must fit.
        assert!(draft(&"\u{958}".repeat(61), "text").faults().title.is_some());
    }

    #[test]
    fn tags_that_do_not_fit_are_refused() {
        assert!(!tagged("one two three four five").faults().any());
        for tags in ["one two three four five six", &"x".repeat(31), "a/b", "a.b", "<b>", "a\u{0}b"] {
            assert!(tagged(tags).faults().tags.is_some(), "{tags:?}");
        }
    }

    #[test]
    fn line_ends_and_space_around_are_normalized() {
        assert_eq!(
            draft(" A title\t", "\r\none\r\ntwo\n"),
            Draft { title: "A title".into(), body: "one\ntwo".into(), tags: String::new() }
        );
    }

    #[test]
    fn each_limit_is_exact_and_counts_characters() {
        let longest = draft(&"é".repeat(TITLE_CHARS), &"😀".repeat(BODY_CHARS));
        assert_eq!(longest.faults(), Faults::default());
        let longer = draft(&"é".repeat(TITLE_CHARS + 1), &"😀".repeat(BODY_CHARS + 1));
        let faults = longer.faults();
        assert_eq!(
            faults.title.as_deref(),
            Some("The title is 121 characters long; at most 120 are possible.")
        );
        assert_eq!(
            faults.body.as_deref(),
            Some("The text is 10001 characters long; at most 10000 are possible.")
        );
    }

    #[test]
    fn nothing_but_space_is_no_text() {
        let faults = draft(" \u{a0}", "\r\n \n").faults();
        assert_eq!(faults.title.as_deref(), Some("Please write a title."));
        assert_eq!(faults.body.as_deref(), Some("Please write a text."));
        for unseen in ["\u{200b}", "\u{3164}", "\u{2800}", "\u{ad}", "\u{feff} \u{200d}", "\n\u{200b}\t"] {
            let faults = draft(unseen, unseen).faults();
            assert!(faults.title.is_some() && faults.body.is_some(), "{unseen:?}");
        }
    }

    #[test]
    fn a_title_reads_as_it_is_written() {
        for title in ["\u{202e}nimda", "pay\u{200b}pal", "a\u{2066}b\u{2069}", "a\u{2028}b"] {
            assert!(draft(title, title).faults().title.is_some(), "{title:?}");
        }
        for title in ["می\u{200c}خواهم", "क्\u{200d}ष", "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}", "שלום\u{200f}!"]
        {
            assert_eq!(draft(title, title).faults(), Faults::default(), "{title:?}");
        }
    }

    #[test]
    fn a_title_is_one_line_and_a_text_may_have_many() {
        let faults = draft("two\nlines", "two\nlines\tand a tab").faults();
        assert!(faults.title.is_some() && faults.body.is_none(), "{faults:?}");
        assert!(draft("a", "a\u{0}b").faults().body.is_some());
    }

    proptest! {
        // Each case makes hundreds of characters: sixty-four are enough and fast.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_stored_tag_is_stored_as_it_is(text in any::<String>()) {
            let stored = Draft::stored_tag(&text);
            prop_assert_eq!(Draft::stored_tag(&stored), stored);
        }

        #[test]
        fn a_draft_without_faults_fits_the_table(title in "\\PC{0,200}", body in "(.|\n|\r){0,200}") {
            let draft = draft(&title, &body);
            if !draft.faults().any() {
                prop_assert!((1..=120).contains(&draft.title.chars().count()));
                // TEXT holds 65,535 bytes.
                prop_assert!((1..=65_535).contains(&draft.body.len()));
                prop_assert!(!draft.body.contains('\r') && !draft.title.contains(char::is_control));
            }
        }
    }
}
