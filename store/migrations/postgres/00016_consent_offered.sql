-- What stood on the page beside what was agreed to: an attribute that a person has
-- left out once is not asked for again at every sign-in.
-- The release before ignores the column; it asks again, as it always did.
-- +goose Up
ALTER TABLE consents ADD COLUMN offered text NOT NULL DEFAULT '';
ALTER TABLE consent_versions ADD COLUMN offered text NOT NULL DEFAULT '';
