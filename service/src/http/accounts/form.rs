//! What accounts are made from: rules for names, passwords and profiles, each with a sentence for who breaks it.
//!
//! Invariant: a password is hashed and compared composed (NFC), for keyboards differ in how they write an accent (NIST
//! SP 800-63B, 3.1.1.2).

use serde::Deserialize;

use crate::http::letters::{composed, misleads, shows};
use crate::http::page::encoded;

/// As the column `users.name`.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=30;
/// NIST SP 800-63B, 3.1.1.2 asks for 8 at least and for room for 64 or more. The upper limit keeps a hash cheap.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 10..=200;
/// As the column `users.display_name`.
const DISPLAY_NAME_CHARS: usize = 60;
/// As the column `users.about`.
const ABOUT_CHARS: usize = 500;

/// Names that would be taken for the site itself.
const RESERVED: [&str; 8] =
    ["admin", "administrator", "moderator", "operator", "root", "support", "system", "staff"];

const RESERVED_SAYS: &str = "This name is reserved.";

/// Both forms at the entrance.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entrance {
    pub(super) name: String,
    pub(super) password: String,
    /// Where to go afterwards.
    #[serde(default)]
    pub(super) next: String,
}

/// How a person shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) display_name: String,
    pub(super) about: String,
}

/// The change of a password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    pub(super) current: String,
    pub(super) new: String,
}

/// A sentence for each field that cannot be accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) name: Option<String>,
    pub(super) password: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) about: Option<String>,
    pub(super) current: Option<String>,
    pub(super) deletion: Option<String>,
    pub(super) token: Option<String>,
}

impl Faults {
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl Entrance {
    /// With the name as it is stored, the password as it is hashed, and a way on that stays on this site.
    pub(super) fn normalized(self) -> Self {
        let next = if is_local(&self.next) { self.next } else { "/".to_owned() };
        let password = composed(&self.password).into_owned();
        Self { name: self.name.trim().to_lowercase(), password, next }
    }

    /// The query with which the other form at the entrance leads on as this one does.
    pub(super) fn onward(&self) -> String {
        if self.next == "/" { String::new() } else { format!("?next={}", encoded(&self.next)) }
    }

    /// As the beginning of an account.
    pub(super) fn faults(&self) -> Faults {
        let name = if !is_name(&self.name) {
            Some(
                "A name has 3 to 30 letters (a to z), digits and hyphens, and begins with a letter."
                    .to_owned(),
            )
        } else if RESERVED.contains(&self.name.as_str()) {
            Some(RESERVED_SAYS.to_owned())
        } else {
            None
        };
        Faults { name, password: password_fault(&self.password, &self.name), ..Faults::default() }
    }
}

impl PasswordChange {
    /// With the passwords as they are hashed.
    pub(super) fn normalized(&self) -> Self {
        let password = |text: &str| composed(text).into_owned();
        Self { current: password(&self.current), new: password(&self.new) }
    }
}

impl Profile {
    pub(super) fn normalized(&self) -> Self {
        let text = |text: &str| composed(text.replace("\r\n", "\n").trim()).into_owned();
        Self { display_name: text(&self.display_name), about: text(&self.about) }
    }

    pub(super) fn faults(&self) -> Faults {
        let display_name = match self.display_name.chars().count() {
            0 => Some("Please write a name to show.".to_owned()),
            length if length > DISPLAY_NAME_CHARS => {
                Some(format!("At most {DISPLAY_NAME_CHARS} characters are possible."))
            }
            _ if is_reserved(&self.display_name) => Some(RESERVED_SAYS.to_owned()),
            _ => invisible(&self.display_name, |_| false).or_else(|| hidden(&self.display_name)),
        };
        let about = match self.about.chars().count() {
            length if length > ABOUT_CHARS => Some(format!("At most {ABOUT_CHARS} characters are possible.")),
            _ => invisible(&self.about, |character| character == '\n'),
        };
        Faults { display_name, about, ..Faults::default() }
    }
}

/// Whether this could be an account's name.
pub(in crate::http) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    NAME_CHARS.contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(allowed)
}

/// What is wrong with a new password.
pub(super) fn password_fault(password: &str, name: &str) -> Option<String> {
    let length = password.chars().count();
    if length < *PASSWORD_CHARS.start() {
        Some(format!("A password has at least {} characters.", PASSWORD_CHARS.start()))
    } else if length > *PASSWORD_CHARS.end() {
        Some(format!("A password has at most {} characters.", PASSWORD_CHARS.end()))
    } else if password.to_lowercase().contains(name) && !name.is_empty() && length < 2 * name.len() {
        Some("The password is little more than the name.".to_owned())
    } else if password.chars().all(|character| password.starts_with(character)) {
        Some("The password is one character over and over.".to_owned())
    } else {
        None
    }
}

fn invisible(text: &str, allowed: fn(char) -> bool) -> Option<String> {
    let bad = |character: char| character.is_control() && !allowed(character);
    text.chars().any(bad).then(|| "It contains a control character.".to_owned())
}

/// What a reader would not see of a name, or see turned round.
fn hidden(name: &str) -> Option<String> {
    let bad = name.contains(misleads) || !shows(name);
    bad.then(|| "It contains a character that readers cannot see, or that turns others round.".to_owned())
}

/// Whether readers would take a name to show for the site itself: pages show nothing else of who writes.
fn is_reserved(display_name: &str) -> bool {
    let letters = display_name.chars().filter(|character| character.is_alphanumeric());
    let plain: String = letters.flat_map(char::to_lowercase).collect();
    RESERVED.contains(&plain.as_str())
}

/// Browsers read `/\` as `//`, and both as another host.
fn is_local(address: &str) -> bool {
    address.starts_with('/')
        && !address[1..].starts_with(['/', '\\'])
        && address.len() <= 2000
        && address.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_an_address() {
        for name in ["ada", "a-1", &"a".repeat(30)] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["", "ab", "1ada", "-ada", "ada-", "Ada", "ada lovelace", "ädä", "a/b", "a.b", &"a".repeat(31)]
        {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_password_is_long_and_not_the_name() {
        assert_eq!(password_fault("correct horse", "ada"), None);
        assert_eq!(password_fault(&"ü€".repeat(100), "ada"), None);
        for password in ["123456789", &"x".repeat(201), "adalovelace", "aaaaaaaaaaaa"] {
            assert!(password_fault(password, "adalovelace").is_some(), "{password}");
        }
    }

    #[test]
    fn the_way_on_stays_on_this_site() {
        for address in ["/", "/posts/1?a=b", "/account"] {
            assert!(is_local(address), "{address}");
        }
        for address in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\r\nb", "/a b"]
        {
            assert!(!is_local(address), "{address:?}");
        }
    }

    #[test]
    fn a_profile_fits_the_table() {
        let profile = |display_name: &str, about: &str| {
            Profile { display_name: display_name.into(), about: about.into() }.normalized().faults()
        };
        assert!(!profile(" Ada Lovelace ", "one\r\ntwo").any());
        assert!(profile("  ", "").display_name.is_some());
        assert!(profile(&"é".repeat(61), "").display_name.is_some());
        assert!(profile("a\nb", "").display_name.is_some());
        assert!(profile("a", &"é".repeat(501)).about.is_some());
        assert!(profile("a", "\u{0}").about.is_some());
    }

    #[test]
    fn a_name_to_show_is_seen_as_it_is_and_not_taken_for_the_site() {
        let faults =
            |name: &str| Profile { display_name: name.into(), about: String::new() }.normalized().faults();
        for name in
            ["\u{200b}", "\u{2800}", "\u{202e}nimda", "a\u{200b}da", "Admin", "R o o t", "-system-", "STAFF."]
        {
            assert!(faults(name).display_name.is_some(), "{name:?}");
        }
        for name in ["می\u{200c}خواهم", "Ada ❤\u{fe0f}", "Rooted", "Badmin", "हिन्दी"] {
            assert!(faults(name).display_name.is_none(), "{name:?}");
        }
    }
}
