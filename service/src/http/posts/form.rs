//! The form of a new post: what it holds, and what is wrong with it.
//!
//! Invariant: a draft without faults fits the table and shows no character that a reader cannot see.

use serde::Deserialize;

/// As the column `posts.title`.
const TITLE_CHARS: usize = 120;
/// A long letter; 40 kB at most, well within the column `posts.body`.
const BODY_CHARS: usize = 10_000;

/// What the visitor wrote.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    pub(super) title: String,
    pub(super) body: String,
}

/// A sentence for each field that cannot be accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
}

impl Faults {
    pub(super) fn any(&self) -> bool {
        self.title.is_some() || self.body.is_some()
    }
}

impl Draft {
    /// Without space around the texts, and with the line ends of a file (forms send CR LF).
    pub(super) fn normalized(&self) -> Self {
        let text = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
        Self { title: text(&self.title), body: text(&self.body) }
    }

    pub(super) fn faults(&self) -> Faults {
        Faults {
            title: fault(&self.title, "title", TITLE_CHARS, |_| false),
            body: fault(&self.body, "text", BODY_CHARS, |character| matches!(character, '\n' | '\t')),
        }
    }
}

fn fault(text: &str, name: &str, most: usize, allowed: fn(char) -> bool) -> Option<String> {
    let length = text.chars().count();
    if text.is_empty() {
        Some(format!("Please write a {name}."))
    } else if length > most {
        Some(format!("The {name} is {length} characters long; at most {most} are possible."))
    } else if text.chars().any(|character| character.is_control() && !allowed(character)) {
        Some(format!("The {name} contains a control character."))
    } else {
        None
    }
}
