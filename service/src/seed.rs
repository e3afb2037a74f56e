//! Fills a database with posts that look like people wrote them, for trying the site at its later size.
//!
//! It is for hosts and left out of machines. Invariant: it only adds, and the accounts it makes have no password that
//! anybody could give.

mod words;

use sqlx::{MySql, QueryBuilder};
use time::{Duration, OffsetDateTime};

use db::{Database, Error};
use words::{TAGS, Words};

/// Rows in one statement: well below MySQL's 65,535 placeholders and a packet of 16 MiB.
const BATCH: u64 = 500;
/// One author writes so many posts, up to [`AUTHORS_MAX`] authors.
const POSTS_PER_AUTHOR: u64 = 50;
const AUTHORS_MAX: u64 = 2000;
/// The posts spread over the last so many days.
const SPREAD_DAYS: u32 = 365;

/// Adds `count` posts with tags, comments and authors; tells `progress` how many there are after each batch.
///
/// # Errors
/// When the database is away or refuses a row. What was added before stays.
pub async fn fill(database: &Database, count: u64, mut progress: impl FnMut(u64)) -> Result<(), Error> {
    let mut words = Words::new();
    let tags = add_tags(database).await?;
    let authors = add_authors(database, &mut words, (count / POSTS_PER_AUTHOR).clamp(1, AUTHORS_MAX)).await?;
    let now = OffsetDateTime::now_utc();
    let mut done = 0;
    while done < count {
        let batch = BATCH.min(count - done);
        let age =
            |row: u64| Duration::days(SPREAD_DAYS.into()) * ((count - done - row) as f64 / count as f64);
        let first = add_posts(database, &mut words, &authors, batch, |row| now - age(row)).await?;
        add_post_tags(database, &tags, first, batch).await?;
        add_comments(database, &mut words, &authors, first, batch).await?;
        done += batch;
        progress(done);
    }
    Ok(())
}

async fn add_tags(database: &Database) -> Result<Vec<u64>, Error> {
    let mut ids = Vec::new();
    for tag in TAGS {
        let insert = "INSERT INTO tags (name) VALUES (?) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)";
        let done = sqlx::query(insert).bind(tag).execute(database.pool()).await?;
        ids.push(done.last_insert_id());
    }
    Ok(ids)
}

/// A batch's ids are consecutive: InnoDB gives them out at once to a statement whose rows it can count.
async fn add_authors(database: &Database, words: &mut Words, count: u64) -> Result<Vec<u64>, Error> {
    let people: Vec<(String, String)> = (0..count).map(|_| words.person()).collect();
    let mut ids = Vec::new();
    for people in people.chunks(BATCH as usize) {
        let mut insert =
            QueryBuilder::<MySql>::new("INSERT INTO users (name, display_name, about, password_hash) ");
        insert.push_values(people, |mut row, (name, display_name)| {
            row.push_bind(name).push_bind(display_name).push_bind("Wrote this in a test.").push_bind("!");
        });
        let first = insert.build().execute(database.pool()).await?.last_insert_id();
        ids.extend((0..people.len() as u64).map(|row| first + row));
    }
    Ok(ids)
}

async fn add_posts(
    database: &Database,
    words: &mut Words,
    authors: &[u64],
    count: u64,
    written: impl Fn(u64) -> OffsetDateTime,
) -> Result<u64, Error> {
    let mut insert =
        QueryBuilder::<MySql>::new("INSERT INTO posts (author_id, title, body, tags, created_at) ");
    insert.push_values(0..count, |mut row, number| {
        row.push_bind(*words.one_of(authors)).push_bind(words.title()).push_bind(words.text());
        row.push_bind(tags_of(number).map(|tag| TAGS[tag]).join(" ")).push_bind(written(number));
    });
    Ok(insert.build().execute(database.pool()).await?.last_insert_id())
}

/// Which tags the post in this place of a batch has: known without asking again.
fn tags_of(row: u64) -> [usize; 2] {
    let first = row as usize % TAGS.len();
    [first, (first + 1 + row as usize / TAGS.len() % (TAGS.len() - 1)) % TAGS.len()]
}

async fn add_post_tags(database: &Database, tags: &[u64], first: u64, count: u64) -> Result<(), Error> {
    let pairs = (0..count).flat_map(|row| tags_of(row).map(|tag| (tags[tag], first + row)));
    let mut insert = QueryBuilder::<MySql>::new("INSERT INTO post_tags (tag_id, post_id) ");
    insert.push_values(pairs, |mut row, (tag, post)| {
        row.push_bind(tag).push_bind(post);
    });
    insert.build().execute(database.pool()).await?;
    Ok(())
}

/// A third of the posts have a comment, one in thirty has many.
async fn add_comments(
    database: &Database,
    words: &mut Words,
    authors: &[u64],
    first: u64,
    count: u64,
) -> Result<(), Error> {
    let many = |row: u64| if row.is_multiple_of(30) { 8 } else { u64::from(row.is_multiple_of(3)) };
    let posts = (0..count).flat_map(|row| std::iter::repeat_n(first + row, many(row) as usize));
    let mut insert = QueryBuilder::<MySql>::new("INSERT INTO comments (post_id, author_id, body) ");
    insert.push_values(posts, |mut row, post| {
        row.push_bind(post).push_bind(*words.one_of(authors)).push_bind(words.sentence());
    });
    insert.build().execute(database.pool()).await?;
    Ok(())
}
