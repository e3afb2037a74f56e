//! Posts are what was written, changed only by who wrote them, and never over somebody's shoulder.

use anyhow::ensure;
use db::posts::Text;
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run, writer};
use crate::visitor::Visitor;

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_posted_form_is_on_the_front_page_and_on_its_own", a_posted_form_is_on_the_front_page),
    ("text_comes_back_as_it_was_written", text_comes_back_as_it_was_written),
    ("an_edit_replaces_the_text_and_keeps_the_old_one", an_edit_replaces_the_text_and_keeps_the_old_one),
    ("of_two_browsers_that_edit_one_post_the_second_is_told", of_two_browsers_the_second_is_told),
    ("edits_at_the_same_moment_lose_nothing", edits_at_the_same_moment_lose_nothing),
    ("writers_at_the_same_moment_are_all_served", writers_at_the_same_moment_are_all_served),
    ("a_post_is_changed_by_its_author_only", a_post_is_changed_by_its_author_only),
    ("a_deleted_post_is_gone_with_all_that_belongs_to_it", a_deleted_post_is_gone),
    ("what_was_written_of_a_deleted_post_is_not_lost", what_was_written_of_a_deleted_post_is_not_lost),
    ("a_page_has_one_address", a_page_has_one_address),
    ("a_post_of_the_previous_service_is_shown", a_post_of_the_previous_service_is_shown),
];

fn a_posted_form_is_on_the_front_page(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("<b>Bold</b>", "one\r\n*two* & <i>three</i>", "#Rust c++").await?;
        let mut visitor = Visitor::new(&router);
        let front = visitor.get("/").await?.expect(StatusCode::OK)?;
        let front = front
            .says("&#60;b&#62;Bold")?
            .hides("<b>")?
            .says("one two &#38; &#60;i&#62;three&#60;/i&#62;")?;
        front.says(&format!(r#"href="{path}""#))?.says(r#"href="/tags/c%2B%2B""#)?;
        let page = visitor.get(&path).await?.expect(StatusCode::OK)?;
        page.says("one\n<em>two</em> &amp; &lt;i&gt;three&lt;/i&gt;")?.says("/people/ada")?.hides("/edit")?;
        ada.get(&path).await?.says(&format!("{path}/edit"))?;
        visitor.get("/tags/c%2B%2B").await?.expect(StatusCode::OK)?.says("Bold")?;
        visitor.get("/tags/none").await?.expect(StatusCode::NOT_FOUND)?;
        Ok(())
    })
}

fn what_was_written_of_a_deleted_post_is_not_lost(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "text", "").await?;
        ada.post(&format!("{path}/delete"), &[]).await?.expect(StatusCode::SEE_OTHER)?;
        let edit = format!("{path}/edit");
        let mut form = [("title", "Another"), ("body", "long <work>"), ("tags", "one two"), ("version", "1")];
        for title in ["Another", ""] {
            form[0].1 = title;
            let told = ada.post(&edit, &form).await?.expect(StatusCode::NOT_FOUND)?;
            let told = told.says("This post was deleted meanwhile.")?.says("long &#60;work&#62;")?;
            let told = told.says(r#"value="one two""#)?.says(r#"action="/posts""#)?;
            told.says(&format!(r#"value="{title}""#))?.hides(r#"name="version""#)?;
        }
        ada.write("Another", "long <work>", "one two").await?;
        let path = Visitor::registered(&router, "eve").await?.write("Hers", "text", "").await?;
        for title in ["Another", ""] {
            form[0].1 = title;
            let refused = ada.post(&format!("{path}/edit"), &form).await?.expect(StatusCode::FORBIDDEN)?;
            refused.hides("deleted meanwhile")?;
        }
        Ok(())
    })
}

fn a_page_has_one_address(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "text", "rust việt").await?;
        let id = path.trim_start_matches("/posts/");
        for other in [format!("+{id}"), format!("0{id}"), format!("00{id}"), format!("{id}%20")] {
            for (before, after) in [
                ("/posts/", ""),
                ("/posts/", "/edit"),
                ("/api/v1/posts/", ""),
                ("/api/v1/posts/", "/comments"),
            ] {
                ada.get(&format!("{before}{id}{after}")).await?.expect(StatusCode::OK)?;
                ada.get(&format!("{before}{other}{after}")).await?.expect(StatusCode::NOT_FOUND)?;
            }
            let comment = [("body", "text")];
            ada.post(&format!("/posts/{other}/comments"), &comment).await?.expect(StatusCode::NOT_FOUND)?;
        }
        for (other, tag) in [
            ("rust%20", "rust"),
            ("Rust", "rust"),
            ("%20RUST?after=x&b=%20", "rust?after=x&b=%20"),
            ("vie%CC%A3%CC%82t", "vi%E1%BB%87t"),
            ("VI%E1%BB%86T", "vi%E1%BB%87t"),
        ] {
            let answer = ada.get(&format!("/tags/{other}")).await?.expect(StatusCode::PERMANENT_REDIRECT)?;
            ensure!(answer.location()? == format!("/tags/{tag}"), "{other}: {}", answer.location()?);
        }
        for (tag, status) in [("rust", 200), ("vi%E1%BB%87t", 200), ("a.b", 404), ("%CC%81", 404), ("", 404)]
        {
            ada.get(&format!("/tags/{tag}")).await?.expect(StatusCode::from_u16(status)?)?;
        }
        Ok(())
    })
}

fn text_comes_back_as_it_was_written(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let writer = writer(&database).await?;
        let (title, body) = ("😀".repeat(120), "𝕏\t'\"\\%_\n".repeat(1250));
        let tags: Vec<String> = (0..5).map(|number| format!("{}{number}", "ü".repeat(29))).collect();
        let before = time::OffsetDateTime::now_utc();
        let id = database.add_post(writer, Text { title: &title, body: &body, tags: &tags }).await?.unwrap();
        let post = database.post(id).await?.unwrap();
        ensure!(
            (&post.title, &post.body, &post.tags) == (&title, &body, &tags.join(" ")),
            "changed on the way"
        );
        let age = post.created_at - before;
        ensure!(age.abs() < time::Duration::minutes(1), "written at {}", post.created_at);
        Ok(())
    })
}

fn an_edit_replaces_the_text_and_keeps_the_old_one(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("First title", "first text", "one two").await?;
        ada.get(&format!("{path}/edit")).await?.says("first text")?.says(r#"name="version" value="1""#)?;
        let form =
            [("title", "Second title"), ("body", "second text"), ("tags", "two three"), ("version", "1")];
        ada.post(&format!("{path}/edit"), &form).await?.expect(StatusCode::SEE_OTHER)?;
        ada.get(&path).await?.says("second text")?.says("edited")?.hides("first text")?;
        let history = ada.get(&format!("{path}/history")).await?.expect(StatusCode::OK)?;
        history.says("First title")?.says("first text")?.says("one two")?;
        for (tag, status) in
            [("one", StatusCode::NOT_FOUND), ("two", StatusCode::OK), ("three", StatusCode::OK)]
        {
            ada.get(&format!("/tags/{tag}")).await?.expect(status)?;
        }
        Ok(())
    })
}

fn of_two_browsers_the_second_is_told(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut here = Visitor::registered(&router, "ada").await?;
        let mut there = here.clone();
        let path = here.write("Title", "original text", "").await?;
        let edit = format!("{path}/edit");
        let form = |body| [("title", "Title"), ("body", body), ("version", "1")];
        here.post(&edit, &form("text from here")).await?.expect(StatusCode::SEE_OTHER)?;
        let told = there.post(&edit, &form("text from there")).await?.expect(StatusCode::CONFLICT)?;
        told.says("text from here")?.says("text from there")?.says(r#"name="version" value="2""#)?;
        there.get(&path).await?.says("text from here")?.hides("text from there")?;
        // Told, the second may insist.
        let form = [("title", "Title"), ("body", "text from there"), ("version", "2")];
        there.post(&edit, &form).await?.expect(StatusCode::SEE_OTHER)?;
        there.get(&format!("{path}/history")).await?.says("text from here")?.says("original text")?;
        Ok(())
    })
}

/// Not one after the other but at once: one of them wins, the others are told.
fn edits_at_the_same_moment_lose_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "original text", "").await?;
        let edits = (0..6).map(|number| {
            let (mut browser, edit, body) = (ada.clone(), format!("{path}/edit"), format!("text {number}"));
            tokio::spawn(async move {
                let form = [("title", "Title"), ("body", body.as_str()), ("version", "1"), ("tags", "a b c")];
                Ok::<_, anyhow::Error>(browser.post(&edit, &form).await?.parts.status)
            })
        });
        let mut won = 0;
        for edit in edits.collect::<Vec<_>>() {
            match edit.await?? {
                StatusCode::SEE_OTHER => won += 1,
                status => ensure!(status == StatusCode::CONFLICT, "{status}"),
            }
        }
        ensure!(won == 1, "{won} won");
        ensure!(fixture.count("SELECT COUNT(*) FROM post_versions").await? == 1, "versions");
        Ok(())
    })
}

/// Posts without tags lock the same empty place when they get some: MySQL undoes one of two, and it is begun anew.
fn writers_at_the_same_moment_are_all_served(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let ada = Visitor::registered(&router, "ada").await?;
        let plain = vec!["/posts".to_owned(); 6];
        let posts = all_at_once(&ada, plain, &[("title", "Title"), ("body", "text")]).await?;
        let edits = posts.iter().map(|path| format!("{path}/edit")).collect();
        const TAGGED: &[(&str, &str)] =
            &[("title", "Title"), ("body", "text"), ("tags", "a b c d e"), ("version", "1")];
        all_at_once(&ada, edits, TAGGED).await?;
        let again = vec!["/posts".to_owned(); 6];
        all_at_once(&ada, again, &[("title", "Title"), ("body", "text"), ("tags", "v w x y z")]).await?;
        Ok(())
    })
}

/// Sends the same form to each of these at once; all must be accepted. Gives where they led.
async fn all_at_once(
    visitor: &Visitor,
    paths: Vec<String>,
    form: &'static [(&'static str, &'static str)],
) -> anyhow::Result<Vec<String>> {
    let mut browsers = tokio::task::JoinSet::new();
    for path in paths {
        let mut browser = visitor.clone();
        browsers.spawn(async move {
            let answer = browser.post(&path, form).await?.expect(StatusCode::SEE_OTHER)?;
            anyhow::Ok(answer.location()?.to_owned())
        });
    }
    browsers.join_all().await.into_iter().collect()
}

fn a_post_is_changed_by_its_author_only(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let path = Visitor::registered(&router, "ada").await?.write("Title", "hers", "").await?;
        let mut eve = Visitor::registered(&router, "eve").await?;
        let form = [("title", "Title"), ("body", "not hers"), ("version", "1")];
        eve.post(&format!("{path}/edit"), &form)
            .await?
            .expect(StatusCode::FORBIDDEN)?
            .says("Only its author")?;
        eve.post(&format!("{path}/delete"), &[]).await?.expect(StatusCode::FORBIDDEN)?;
        for page in ["edit", "history"] {
            eve.get(&format!("{path}/{page}")).await?.expect(StatusCode::FORBIDDEN)?.hides("hers")?;
        }
        eve.get(&path).await?.expect(StatusCode::OK)?.says("hers")?.hides("not hers")?;
        Ok(())
    })
}

fn a_deleted_post_is_gone(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "text", "tag").await?;
        let form = [("title", "Title"), ("body", "edited"), ("version", "1"), ("tags", "tag")];
        ada.post(&format!("{path}/edit"), &form).await?.expect(StatusCode::SEE_OTHER)?;
        ada.post(&format!("{path}/comments"), &[("body", "a comment")])
            .await?
            .expect(StatusCode::SEE_OTHER)?;
        ada.post(&format!("{path}/delete"), &[]).await?.expect(StatusCode::SEE_OTHER)?;
        for page in ["", "/edit", "/history"] {
            ada.get(&format!("{path}{page}")).await?.expect(StatusCode::NOT_FOUND)?;
        }
        let left = "SELECT (SELECT COUNT(*) FROM posts) + (SELECT COUNT(*) FROM comments)
                    + (SELECT COUNT(*) FROM post_versions) + (SELECT COUNT(*) FROM post_tags)";
        ensure!(fixture.count(left).await? == 0, "rows are left");
        Ok(())
    })
}

/// It writes the columns of its own time.
fn a_post_of_the_previous_service_is_shown(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        fixture.execute("INSERT INTO posts (title, body) VALUES ('Old title', 'old text')").await?;
        let mut visitor = Visitor::new(&router);
        visitor.get("/").await?.expect(StatusCode::OK)?.says("Old title")?.says("Former member")?;
        visitor.get("/feed.atom").await?.expect(StatusCode::OK)?.says("Old title")?;
        Ok(())
    })
}
