-- What an operator brings to machines whose configuration brings a certificate: apart from what authorities wrote, so that
-- neither is ever taken for the other. Keys are sealed as those are; one of RSA is longer than what machines make.
CREATE TABLE brought_certificates (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    chain MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sealed_key VARBINARY(8192) NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    KEY brought_certificates_newest (host, id)
);
