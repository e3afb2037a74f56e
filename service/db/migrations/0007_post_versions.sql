-- What an edit replaced.
CREATE TABLE post_versions (
    post_id BIGINT UNSIGNED NOT NULL,
    version INT UNSIGNED NOT NULL,
    title VARCHAR(120) NOT NULL,
    body TEXT NOT NULL,
    tags VARCHAR(200) NOT NULL,
    written_at TIMESTAMP(6) NOT NULL,
    PRIMARY KEY (post_id, version),
    CONSTRAINT post_versions_post FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_ai_ci;
