//! Posts as they stand in lists, remembered: what follows from a post's text alone is worked out once, not for every visitor.
//!
//! Rows come from the database each time. Invariant: a card is shown only for a row that is equal to the one it was made of.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use super::list::{Author, TagLink, tag_links};
use crate::http::markdown;
use crate::http::moment::Moment;
use db::posts::Summary;

/// Cards that are kept: a dozen pages, a megabyte at most.
const KEPT: usize = 256;

/// What does not change until the post does.
#[derive(Debug)]
pub(in crate::http) struct Card {
    row: Summary,
    pub(in crate::http) excerpt: String,
    pub(in crate::http) author: Author,
    pub(in crate::http) tags: Vec<TagLink>,
}

/// A post as it stands in a list now.
pub(in crate::http) struct Entry {
    card: Arc<Card>,
    pub(in crate::http) written: Moment,
}

/// The cards of the posts that were shown last.
#[derive(Debug, Default)]
pub(in crate::http) struct Cards(Mutex<HashMap<u64, Arc<Card>>>);

impl Cards {
    /// The entry of a row.
    pub(super) fn entry(&self, row: Summary) -> Entry {
        let written = Moment::new(row.created_at);
        Entry { card: self.card(row), written }
    }

    fn card(&self, row: Summary) -> Arc<Card> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(card) = kept.get(&row.id).filter(|card| card.row == row) {
            return Arc::clone(card);
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let card = Arc::new(Card::new(row));
        kept.insert(card.row.id, Arc::clone(&card));
        card
    }
}

impl Card {
    fn new(row: Summary) -> Self {
        Self {
            excerpt: markdown::excerpt(&row.beginning),
            author: Author::new(row.author_name.clone(), row.author_display_name.clone()),
            tags: tag_links(&row.tags),
            row,
        }
    }

    pub(in crate::http) fn id(&self) -> u64 {
        self.row.id
    }

    pub(in crate::http) fn title(&self) -> &str {
        &self.row.title
    }
}

impl Deref for Entry {
    type Target = Card;

    fn deref(&self) -> &Card {
        &self.card
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn row(id: u64, beginning: &str) -> Summary {
        Summary {
            id,
            author_name: None,
            author_display_name: None,
            title: "A title".to_owned(),
            beginning: beginning.to_owned(),
            tags: String::new(),
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_edited_post_has_another_card() {
        let cards = Cards::default();
        assert_eq!(cards.entry(row(1, "*old*")).excerpt, "old");
        assert_eq!(cards.entry(row(1, "*new*")).excerpt, "new");
    }

    #[test]
    fn the_same_row_has_the_same_card_and_no_more_are_kept_than_said() {
        let cards = Cards::default();
        let first = cards.entry(row(0, "text"));
        assert!(Arc::ptr_eq(&first.card, &cards.entry(row(0, "text")).card));
        for id in 0..2 * KEPT as u64 {
            cards.entry(row(id, "text"));
            assert!(cards.0.lock().unwrap().len() <= KEPT);
        }
    }
}
