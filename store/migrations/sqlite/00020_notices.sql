-- notice_hash: the digest of the whole page that a person answered, beside the
-- hash of the words of each consent on it. The release before writes none.
-- +goose Up
ALTER TABLE consent_versions ADD COLUMN notice_hash text NOT NULL DEFAULT '';
