-- sign_in_attempts counts attempts before they are checked: by device, by account and
-- network, by account. Its keys are MACs, so that a row tells neither a number nor an
-- address. Times are milliseconds since 1970, since the statement that counts adds to
-- them. accounts.devices_since ends the devices that were known before.
-- The release before counts in accounts.failures and attempts and looks at nothing
-- here; this one does not read those. While both run, each has its own count. The one
-- after drops accounts.failures, accounts.failed_at and attempts.
-- +goose Up
CREATE TABLE sign_in_attempts (
    key     bytea PRIMARY KEY,
    free    integer NOT NULL,
    spent   integer NOT NULL,
    next_at bigint NOT NULL,
    seen_at bigint NOT NULL
);
CREATE INDEX sign_in_attempts_seen_at ON sign_in_attempts (seen_at);
ALTER TABLE accounts ADD COLUMN devices_since timestamptz;
