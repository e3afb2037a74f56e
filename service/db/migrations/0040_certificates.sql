-- Certificates, what renews them and what proves the site's names, shared by all web machines. Every private key is
-- sealed with the storage key of the machines' configuration. All times are the database's: the one clock that all share.
CREATE TABLE certificates (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    authority VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    chain MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sealed_key VARBINARY(1024) NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    KEY certificates_newest (host, id)
);

-- One row for each host: who works on its certificate until when, and when somebody shall look again.
CREATE TABLE renewals (
    host VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    holder CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    lease_until DATETIME(6) NOT NULL DEFAULT '1970-01-01 00:00:00',
    next_attempt DATETIME(6) NOT NULL DEFAULT '1970-01-01 00:00:00',
    failures INT UNSIGNED NOT NULL DEFAULT 0,
    last_error VARCHAR(1000) NULL,
    last_renewal DATETIME(6) NULL,
    -- What an operator wants: '', 'renew', 'replace' (renew, and revoke what there was), 'roll' (another account key).
    wish VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
);

CREATE TABLE acme_accounts (
    authority VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    -- NULL: the key is made, the account is not.
    url VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NULL,
    sealed_key VARBINARY(1024) NOT NULL,
    -- While the key is being replaced: the one that may already be the account's.
    next_sealed_key VARBINARY(1024) NULL
);

-- The order that is being worked on: one for each host.
CREATE TABLE acme_orders (
    host VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    authority VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    url VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    names TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sealed_key VARBINARY(1024) NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
);

-- What any machine answers when an authority asks.
CREATE TABLE acme_challenges (
    token VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    host VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    key_authorization VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
);

-- Keys of TLS session tickets. Older ones than a ticket may be are deleted.
CREATE TABLE ticket_keys (
    name BINARY(16) NOT NULL PRIMARY KEY,
    sealed_key VARBINARY(256) NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
);
