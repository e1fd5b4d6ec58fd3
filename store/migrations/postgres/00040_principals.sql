-- Whom a person acts for, and under which mandate: represented (a subject), its kind, and
-- the mandate's id, beside the subject who acts. All three are null for herself, as every
-- row was before.
-- The release before neither reads nor writes them. This one carries and stores them and
-- begins none: the first release that lets a person act for another comes after it, so
-- that no node takes such a grant for hers.
-- +goose Up
ALTER TABLE sessions ADD COLUMN represented text, ADD COLUMN represented_kind text, ADD COLUMN mandate text,
    ADD CONSTRAINT sessions_principal CHECK ((represented IS NULL) = (represented_kind IS NULL) AND (represented IS NULL) = (mandate IS NULL)) NOT VALID;
-- The release before reads all columns of grants in one prepared statement, which
-- PostgreSQL refuses for good once there is one more: so grants have a table beside them.
CREATE TABLE grant_principals (
    grant_id text PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
    represented text NOT NULL,
    represented_kind text NOT NULL,
    mandate text NOT NULL
);
ALTER TABLE consent_versions ADD COLUMN represented text, ADD COLUMN represented_kind text, ADD COLUMN mandate text,
    ADD CONSTRAINT consent_versions_principal CHECK ((represented IS NULL) = (represented_kind IS NULL) AND (represented IS NULL) = (mandate IS NULL)) NOT VALID;
