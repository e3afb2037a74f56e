//! Tables `tags` and `post_tags`: which posts have which tag.

use sqlx::MySqlConnection;

/// Makes these the tags of a post in place of those it had, within the work that has locked the post. Each is deleted by
/// its key: to delete "all of this post" where there are none would lock the place where every new post's tags go.
pub(super) async fn replace(
    work: &mut MySqlConnection,
    post: u64,
    tags: &[String],
) -> Result<(), sqlx::Error> {
    let had = sqlx::query_scalar!("SELECT tag_id FROM post_tags WHERE post_id = ?", post);
    for tag in had.fetch_all(&mut *work).await? {
        sqlx::query!("DELETE FROM post_tags WHERE tag_id = ? AND post_id = ?", tag, post)
            .execute(&mut *work)
            .await?;
    }
    add(work, post, tags).await
}

/// Makes these the tags of a new post, within the work that writes the post.
pub(super) async fn add(work: &mut MySqlConnection, post: u64, tags: &[String]) -> Result<(), sqlx::Error> {
    // In one order everywhere, so that two posts with the same new tags cannot wait for each other.
    let mut sorted: Vec<&String> = tags.iter().collect();
    sorted.sort();
    for tag in sorted {
        let tag = id(work, tag).await?;
        sqlx::query!("INSERT INTO post_tags (tag_id, post_id) VALUES (?, ?)", tag, post)
            .execute(&mut *work)
            .await?;
    }
    Ok(())
}

/// The tag's id; it is made when it is new.
async fn id(work: &mut MySqlConnection, name: &str) -> Result<u64, sqlx::Error> {
    let known = sqlx::query_scalar!("SELECT id FROM tags WHERE name = ?", name);
    if let Some(id) = known.fetch_optional(&mut *work).await? {
        return Ok(id);
    }
    let insert = sqlx::query!(
        "INSERT INTO tags (name) VALUES (?) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)",
        name
    );
    Ok(insert.execute(&mut *work).await?.last_insert_id())
}
