-- A service from before this migration goes on writing posts without an author. There is no foreign key: a deleted
-- account leaves its posts, without a name, at the cost of one row.
ALTER TABLE posts
    ADD COLUMN author_id BIGINT UNSIGNED NULL,
    ADD COLUMN version INT UNSIGNED NOT NULL DEFAULT 1,
    ADD COLUMN edited_at TIMESTAMP(6) NULL,
    ADD COLUMN tags VARCHAR(200) NOT NULL DEFAULT '',
    ADD KEY posts_author (author_id, id);
