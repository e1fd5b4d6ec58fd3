-- announcements: what a person was told, before it happened the first time, that an
-- app reads on another basis than her consent: the words by their hash, the
-- attributes, and the page that told it. A newer telling takes the place of an older.
-- logout_deliveries.about: what a delivery tells of; empty is the end of a session,
-- else the consent, with its version, that was withdrawn, by a signed notice to the
-- app's consent_notice_uri.
-- The release before ignores the table, and tells nobody. A notice that it comes to
-- claim it sends as a logout token, which the app refuses there, and which is then
-- tried again: a notice is never addressed to a logout endpoint.
-- +goose Up
ALTER TABLE logout_deliveries ADD COLUMN about text NOT NULL DEFAULT '';
CREATE INDEX logout_deliveries_about ON logout_deliveries (about) WHERE about <> '';
CREATE TABLE announcements (
    subject     text NOT NULL,
    client_id   text NOT NULL,
    purpose     text NOT NULL,
    registry    text NOT NULL,
    text_hash   text NOT NULL,
    attributes  text NOT NULL,
    notice_hash text NOT NULL,
    locale      text NOT NULL,
    session_id  text NOT NULL,
    at          datetime NOT NULL,
    PRIMARY KEY (subject, client_id, purpose, registry)
);
