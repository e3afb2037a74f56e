ALTER TABLE posts ADD FULLTEXT KEY posts_text (title, body);
