//! Words for made-up posts: titles, texts in Markdown, sentences, people. The same every time.

/// The tags of made-up posts.
pub(super) const TAGS: [&str; 24] = [
    "rust",
    "mysql",
    "web",
    "gardening",
    "bread",
    "cycling",
    "music",
    "books",
    "travel",
    "photography",
    "coffee",
    "linux",
    "history",
    "maps",
    "birds",
    "chess",
    "cooking",
    "running",
    "languages",
    "astronomy",
    "repair",
    "knitting",
    "trains",
    "weather",
];

const PEOPLE: [&str; 32] = [
    "Amara", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kavya", "Lars",
    "Mina", "Noor", "Otto", "Priya", "Quentin", "Rosa", "Sven", "Tariq", "Uma", "Viktor", "Wanda", "Ximena",
    "Yusuf", "Zofia", "Anselm", "Beatriz", "Cyril", "Dalia", "Emeka", "Freya",
];
const FAMILIES: [&str; 24] = [
    "Abel", "Brandt", "Castillo", "Dube", "Eriksen", "Fontana", "Gupta", "Haddad", "Ivanova", "Jansen",
    "Kimura", "Lindgren", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Sato", "Tanaka", "Ueda",
    "Vasquez", "Weber", "Zhou",
];
const THINGS: [&str; 28] = [
    "the old bridge",
    "a slow query",
    "my first loaf",
    "the night train",
    "a broken lamp",
    "the map of our valley",
    "an index",
    "the neighbour's cat",
    "a sourdough starter",
    "the garden in March",
    "a borrowed camera",
    "the third movement",
    "a unikernel",
    "the weather station",
    "an unfinished scarf",
    "the harbour at dawn",
    "a quiet library",
    "the gear hub",
    "a letter from 1911",
    "the northern lights",
    "a cheap telescope",
    "the test suite",
    "an espresso machine",
    "the long hill",
    "a family recipe",
    "the chess club",
    "a migration",
    "the starlings",
];
const DEEDS: [&str; 20] = [
    "took longer than I had planned",
    "turned out better than the last time",
    "needed only one more screw",
    "was worth getting up for",
    "taught me more than any book",
    "fell apart twice",
    "still surprises me",
    "is easier than it looks",
    "made the whole street curious",
    "works at last",
    "cost less than lunch",
    "was the wrong idea, and I would do it again",
    "needs patience above all",
    "is best shared",
    "smells of rain",
    "runs every night now",
    "kept us busy for a week",
    "began as a joke",
    "has no manual",
    "deserves a second look",
];
const OPENINGS: [&str; 14] = [
    "Yesterday",
    "After a year",
    "To my surprise",
    "As so often",
    "On Sunday",
    "In the end",
    "For the first time",
    "Against all advice",
    "With some help",
    "Before breakfast",
    "Somewhere in between",
    "Like every spring",
    "Between two meetings",
    "On the way home",
];
const TITLES: [&str; 10] = [
    "What I learned from",
    "Notes on",
    "In praise of",
    "How we saved",
    "A year with",
    "Five questions about",
    "The trouble with",
    "Going back to",
    "A short history of",
    "Looking after",
];

/// Draws words.
pub(super) struct Words {
    state: u64,
    people: u64,
}

impl Words {
    /// People's names begin with the time of the draw, so that a second run adds others.
    pub(super) fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self { state: 1, people: now.map_or(0, |now| now.as_millis() as u64) }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): good enough for prose.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[(self.next() % list.len() as u64) as usize]
    }

    /// A name for addresses and one for pages.
    pub(super) fn person(&mut self) -> (String, String) {
        let (first, family) = (*self.one_of(&PEOPLE), *self.one_of(&FAMILIES));
        self.people += 1;
        (format!("{}-{:x}", first.to_lowercase(), self.people), format!("{first} {family}"))
    }

    pub(super) fn title(&mut self) -> String {
        format!("{} {}", self.one_of(&TITLES), self.one_of(&THINGS))
    }

    pub(super) fn sentence(&mut self) -> String {
        format!("{}, {} {}.", self.one_of(&OPENINGS), self.one_of(&THINGS), self.one_of(&DEEDS))
    }

    /// Two to four paragraphs; now and then a list or a heading.
    pub(super) fn text(&mut self) -> String {
        let mut parts = Vec::new();
        for _ in 0..2 + self.next() % 3 {
            let sentences = 2 + self.next() % 4;
            parts.push((0..sentences).map(|_| self.sentence()).collect::<Vec<_>>().join(" "));
        }
        match self.next() % 6 {
            0 => parts.insert(1, format!("- {}\n- *{}*", self.one_of(&THINGS), self.one_of(&THINGS))),
            1 => parts.insert(1, format!("## About {}", self.one_of(&THINGS))),
            _ => {}
        }
        parts.join("\n\n")
    }
}
