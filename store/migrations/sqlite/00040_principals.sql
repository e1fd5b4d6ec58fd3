-- Whom a person acts for, and under which mandate: represented (a subject), its kind, and
-- the mandate's id, beside the subject who acts. All three are null for herself, as every
-- row was before.
-- The release before neither reads nor writes them. This one carries and stores them and
-- begins none: the first release that lets a person act for another comes after it, so
-- that no node takes such a grant for hers.
-- +goose Up
ALTER TABLE sessions ADD COLUMN represented text;
ALTER TABLE sessions ADD COLUMN represented_kind text CHECK ((represented IS NULL) = (represented_kind IS NULL));
ALTER TABLE sessions ADD COLUMN mandate text CHECK ((represented IS NULL) = (mandate IS NULL));
-- Of grants in a table beside them, as on PostgreSQL, where the release before reads all
-- their columns.
CREATE TABLE grant_principals (
    grant_id text PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
    represented text NOT NULL,
    represented_kind text NOT NULL,
    mandate text NOT NULL
);
ALTER TABLE consent_versions ADD COLUMN represented text;
ALTER TABLE consent_versions ADD COLUMN represented_kind text CHECK ((represented IS NULL) = (represented_kind IS NULL));
ALTER TABLE consent_versions ADD COLUMN mandate text CHECK ((represented IS NULL) = (mandate IS NULL));
