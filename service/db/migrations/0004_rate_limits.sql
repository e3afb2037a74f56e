-- One row for each thing that is limited (its name hashed): the time until which it is used up, in microseconds of
-- the Unix epoch by MySQL's clock.
CREATE TABLE rate_limits (
    bucket BINARY(32) NOT NULL PRIMARY KEY,
    used_until_us BIGINT UNSIGNED NOT NULL,
    KEY rate_limits_used_until (used_until_us)
) ENGINE = InnoDB;
