-- consents: one row for what a person agreed with one app for one purpose at one
-- register, pointing at its current version; consent_versions: every step of its
-- life, never changed. used_* count releases under a limited frequency.
-- +goose Up
CREATE TABLE consents (
    id          text PRIMARY KEY,
    subject     text NOT NULL,
    client_id   text NOT NULL,
    purpose     text NOT NULL,
    registry    text NOT NULL,
    version     integer NOT NULL,
    state       text NOT NULL CHECK (state IN ('approved', 'superseded', 'withdrawn')),
    attributes  text NOT NULL,
    basis       text NOT NULL,
    frequency   text NOT NULL,
    data_life   text NOT NULL,
    valid_until datetime NOT NULL,
    text_hash   text NOT NULL,
    locale      text NOT NULL,
    at          datetime NOT NULL,
    used_day    text NOT NULL DEFAULT '',
    used_count  integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX consents_one ON consents (subject, client_id, purpose, registry);

CREATE TABLE consent_versions (
    consent_id  text NOT NULL REFERENCES consents (id),
    number      integer NOT NULL,
    state       text NOT NULL,
    attributes  text NOT NULL,
    basis       text NOT NULL,
    frequency   text NOT NULL,
    data_life   text NOT NULL,
    valid_until datetime NOT NULL,
    text_hash   text NOT NULL,
    locale      text NOT NULL,
    channel     text NOT NULL,
    acr         text NOT NULL,
    session_id  text NOT NULL,
    at          datetime NOT NULL,
    PRIMARY KEY (consent_id, number)
);
