//! Search finds posts by their words, whatever else a visitor types.

use anyhow::ensure;
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run, writer};
use crate::visitor::Visitor;

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_post_is_found_by_its_words", a_post_is_found_by_its_words),
    ("words_of_every_script_are_found", words_of_every_script_are_found),
    ("no_character_that_the_index_does_not_know_hides_a_post", no_character_that_the_index_does_not_know),
    ("no_search_is_a_fault_of_ours", no_search_is_a_fault_of_ours),
    ("a_long_result_is_read_page_by_page", a_long_result_is_read_page_by_page),
    ("a_word_of_most_posts_is_found_among_the_newest", a_word_of_most_posts_is_found_among_the_newest),
    ("no_word_that_the_index_leaves_out_hides_a_post", no_word_that_the_index_leaves_out_hides_a_post),
];

async fn found(visitor: &mut Visitor, query: &str) -> anyhow::Result<Vec<&'static str>> {
    let query = serde_urlencoded::to_string([("q", query)])?;
    let page = visitor.get(&format!("/search?{query}")).await?.expect(StatusCode::OK)?.page;
    Ok(["Bread", "Bridge"].into_iter().filter(|title| page.contains(title)).collect())
}

fn a_post_is_found_by_its_words(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        ada.write("Bread", "Sourdough needs patience and größte Sorgfalt", "").await?;
        ada.write("Bridge", "Iron needs patience with the rust", "").await?;
        for (query, titles) in [
            ("sourdough", &["Bread"][..]),
            ("SOURDOUGH patience", &["Bread"]),
            ("patience", &["Bread", "Bridge"]),
            ("sourdough iron", &[]),
            ("sour", &["Bread"]),
            ("patience the", &["Bread", "Bridge"]),
            ("-sourdough +patience", &["Bread"]),
            ("\"needs patience\" (iron)", &["Bridge"]),
            ("GRÖSSTE", &["Bread"]),
            ("zzz", &[]),
        ] {
            ensure!(found(&mut ada, query).await? == titles, "{query}: {:?}", found(&mut ada, query).await?);
        }
        Ok(())
    })
}

/// Marks belong to their words for MySQL's index; a text is found however its accents are typed, in posts of older services, too.
fn words_of_every_script_are_found(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        ada.write(
            "Bread",
            "हिन्दी भाषा, தமிழ் மொழி, ประเทศไทย, Tiếng Việt, cafe\u{301} latte",
            "हिन्दी VIE\u{323}\u{302}T",
        )
        .await?;
        for tag in ["हिन्दी", "việt"] {
            let path = serde_urlencoded::to_string([("", tag)])?.replace('=', "/tags/");
            ada.get(&path).await?.expect(StatusCode::OK)?.says("Bread")?;
        }
        let body = "Tie\u{302}\u{301}ng Vie\u{323}\u{302}t und caf\u{e9}";
        let text = db::posts::Text { title: "Bridge", body, tags: &[] };
        database.add_post(writer(&database).await?, text).await?.unwrap();
        for (query, titles) in [
            ("हिन्दी भाषा", &["Bread"][..]),
            ("हिन्द", &["Bread"]),
            ("தமிழ் மொழி", &["Bread"]),
            ("ประเทศไทย", &["Bread"]),
            ("Tiếng Việt", &["Bread", "Bridge"]),
            ("Tie\u{302}\u{301}ng Vie\u{323}\u{302}t", &["Bread", "Bridge"]),
            ("cafe\u{301} latte", &["Bread"]),
            ("café und", &["Bread", "Bridge"]),
        ] {
            let found = found(&mut ada, query).await?;
            ensure!(found == titles, "{query}: {found:?}");
        }
        // What stands within a run of letters is not found, and the page says so.
        ada.write("Rope", "新しい世界地図です、世界地図", "").await?;
        for (query, found) in [("世界地", true), ("新しい", true), ("地図で", false)] {
            let query = serde_urlencoded::to_string([("q", query)])?;
            let page = ada.get(&format!("/search?{query}")).await?.says("written without spaces")?.page;
            ensure!(page.contains("Rope") == found, "{query}");
        }
        Ok(())
    })
}

/// Letters and marks of younger Unicode part words for MySQL's index, before and within them.
fn no_character_that_the_index_does_not_know(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        ada.write("Bread", "Sourdough, കർണാടക, ကျေးဇူးတင်ပါတယ်, 𝕏𝕏𝕏𝕏", "").await?;
        ada.write("Bridge", "മലയാളം", "").await?;
        for query in ["കർണാടക", "ကျေးဇူးတင်ပါတယ်", "𝕏𝕏𝕏𝕏 sourdough", "sourdough 𝕏𝕏𝕏𝕏"]
        {
            let found = found(&mut ada, query).await?;
            ensure!(found == ["Bread"], "{query}: {found:?}");
        }
        Ok(())
    })
}

fn no_search_is_a_fault_of_ours(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut visitor = Visitor::new(&router);
        for query in [
            "",
            " ",
            "*",
            "+",
            "+-",
            "\"",
            "\"\"\"",
            "((((",
            "@@@",
            "a*b*c*",
            "' OR 1=1 --",
            "\\",
            "%",
            "<script>",
            "\u{0}",
            "😀😀😀",
            "+++aaa---",
            "aaa@4",
            ">aaa <bbb ~ccc",
            &"aaa ".repeat(49),
            &"ü".repeat(200),
        ] {
            let encoded = serde_urlencoded::to_string([("q", query)])?;
            visitor
                .get(&format!("/search?{encoded}"))
                .await?
                .expect(StatusCode::OK)?
                .hides("<script>alert")?;
        }
        for address in ["/search?q=%ff", "/search?q=a&q=b", &format!("/search?q={}", "a".repeat(201))] {
            visitor.get(address).await?.expect(StatusCode::BAD_REQUEST)?;
        }
        Ok(())
    })
}

fn a_long_result_is_read_page_by_page(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, router) = fixture.empty_site().await?;
        let writer = writer(&database).await?;
        for number in 0..45 {
            let title = format!("Needle number-{number}.");
            let text = db::posts::Text { title: &title, body: "hay", tags: &[] };
            database.add_post(writer, text).await?.unwrap();
        }
        let seen = crate::lists::walk(&mut Visitor::new(&router), "/search?q=needle", 45).await?;
        ensure!(seen == [20, 20, 5], "{seen:?}");
        Ok(())
    })
}

/// MySQL would fetch every match to sort them: at a million posts that is seconds.
fn a_word_of_most_posts_is_found_among_the_newest(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        fixture
            .execute(
                "INSERT INTO posts (author_id, title, body)
                 WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 120)
                 SELECT 7, ELT(1 + (y.n > 117) + 2 * (y.n = 1), 'Title', 'Bridge', 'Bread'), 'needle' FROM a y, a x ORDER BY y.n, x.n",
            )
            .await?;
        let mut visitor = Visitor::new(&router);
        let before = sorts(fixture).await?;
        let first = visitor.get("/search?q=needle").await?.expect(StatusCode::OK)?;
        ensure!(sorts(fixture).await? == before, "matches were fetched and sorted");
        ensure!(first.page.matches("Bridge").count() >= 20, "{}", first.page);
        let rare = visitor.get("/search?q=needle+bread").await?.expect(StatusCode::OK)?;
        ensure!(sorts(fixture).await? > before, "nothing is ever sorted: this claim cannot fail");
        ensure!(rare.page.matches("Bread").count() >= 20, "{}", rare.page);
        Ok(())
    })
}

/// How often MySQL sorted for anybody so far.
async fn sorts(fixture: &Fixture) -> anyhow::Result<u64> {
    let status = "SHOW GLOBAL STATUS WHERE variable_name IN ('Sort_scan', 'Sort_range')";
    let rows: Vec<(String, String)> =
        sqlx::query_as(status).fetch_all(&mut fixture.connection().await?).await?;
    rows.iter().map(|(_, value)| Ok(value.parse::<u64>()?)).sum()
}

/// Whatever list MySQL has: a word that is asked for and never found would leave a search without results.
fn no_word_that_the_index_leaves_out_hides_a_post(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let list = "SELECT CAST(value AS CHAR) FROM INFORMATION_SCHEMA.INNODB_FT_DEFAULT_STOPWORD";
        let words: Vec<String> = sqlx::query_scalar(list).fetch_all(&mut fixture.connection().await?).await?;
        ensure!(words.iter().any(|word| word == "www"), "{words:?}");
        ada.write("Bread", &format!("Sourdough {}", words.join(" ")), "").await?;
        for word in words {
            // The last word may be the beginning of one, which the index does look for.
            let query = format!("{word} sourdough");
            ensure!(found(&mut ada, &query).await? == ["Bread"], "{query} finds nothing");
        }
        Ok(())
    })
}
