-- Who serves now, each with the newest migration that it knows. All times are the database's.
CREATE TABLE machines (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    knows BIGINT NOT NULL,
    seen_at DATETIME(6) NOT NULL
);

-- One row: who does not know this migration finds that something it needs was taken away. Whoever joins or contracts locks it.
CREATE TABLE schema_floor (
    knows BIGINT NOT NULL
);

INSERT INTO schema_floor (knows) VALUES (0);
