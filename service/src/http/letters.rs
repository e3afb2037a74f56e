//! What of a text a reader can see, what would mislead them, and what its words are made of.
//!
//! It knows characters, not languages: what joins or parts the letters of a script (U+200C, U+200D, U+200E, U+200F, U+061C)
//! is part of its words for a reader. Invariant: what `shows` has something in it that takes ink.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// Characters that leave no trace: Unicode's `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt) and those that fonts
/// draw as nothing.
const UNSEEN: [std::ops::RangeInclusive<char>; 21] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{fffe}'..='\u{ffff}',
    '\u{16fe4}'..='\u{16fe4}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d159}'..='\u{1d159}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// The text in the form in which two that read alike are alike (Unicode's NFC): accents belong to their letters.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    const { ComposingNormalizerBorrowed::new_nfc() }.normalize(text)
}

/// Whether it is part of a word: letters, digits, and the marks that many scripts write on them.
pub(super) fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || is_mark(character)
}

/// Whether it stands on another character, and not alone.
pub(super) fn is_mark(character: char) -> bool {
    if character.is_ascii() {
        return false;
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    GeneralCategoryGroup::Mark.contains(category)
}

/// Whether it belongs to a script that puts no space between words (the blocks of Thai, Lao, Burmese, Khmer, the Japanese
/// syllables and the Han ideographs).
pub(super) fn is_unspaced(character: char) -> bool {
    matches!(
        character,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
            | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}'
    )
}

/// Whether a reader would see anything of it.
pub(super) fn shows(text: &str) -> bool {
    !text.chars().all(is_blank)
}

fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || UNSEEN.iter().any(|unseen| unseen.contains(&character))
}

/// Whether it has no place in one line that names something: it turns what stands after it round (UAX #9, 2.1 to 2.5), ends
/// the line, or hides between letters that look the same without it.
pub(super) fn misleads(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{115f}'..='\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_no_trace_shows_nothing() {
        for text in [
            "",
            " ",
            "\u{a0}",
            "\u{200b}",
            "\u{3164}",
            "\u{2800}",
            "\u{ad}\u{feff}",
            "\u{e0041}",
            "\n\u{fe0f}",
        ] {
            assert!(!shows(text), "{text:?}");
        }
        for text in ["a", "\u{200b}a", "हिन्दी", "می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "."]
        {
            assert!(shows(text), "{text:?}");
        }
    }

    #[test]
    fn marks_belong_to_words() {
        for word in ["हिन्दी", "தமிழ்", "ประเทศไทย", "Vie\u{302}\u{323}t", "c++"]
        {
            assert!(word.trim_end_matches('+').chars().all(is_of_word), "{word:?}");
            assert!(!word.starts_with(is_mark), "{word:?}");
        }
        for character in [' ', '-', '.', '+', '*', '"', '\u{a0}', '\u{3000}', '、', '😀', '\u{200b}'] {
            assert!(!is_of_word(character) && !is_mark(character), "{character:?}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_known() {
        for text in ["世界", "ひらがな", "カタカナ", "ไทย", "ລາວ", "မြန်မာ", "ខ្មែរ"]
        {
            assert!(text.chars().all(is_unspaced), "{text}");
        }
        for text in ["한국어", "हिन्दी", "العربية", "Größe", "، 。"] {
            assert!(!text.contains(is_unspaced), "{text}");
        }
    }

    #[test]
    fn what_reads_alike_is_alike() {
        assert_eq!(composed("Tie\u{302}\u{301}ng Vie\u{323}\u{302}t"), "Tiếng Việt");
        assert!(matches!(composed("Tiếng Việt"), Cow::Borrowed(_)));
        assert!(matches!(composed("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn words_of_every_script_mislead_nobody() {
        for text in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👨\u{200d}👩\u{200d}👧",
            "שלום\u{200f}!",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
        ] {
            assert!(!text.chars().any(misleads), "{text:?}");
        }
        for text in ["\u{202e}nimda", "ad\u{200b}min", "a\u{2066}b", "a\u{2028}b", "\u{ad}", "\u{feff}"] {
            assert!(text.chars().any(misleads), "{text:?}");
        }
    }
}
