-- consents: one row for what a person agreed with one app for one purpose at one
-- register, with its current version; consent_versions: every step of its life,
-- never changed. release_uses: how often a permission of limited frequency was
-- used; its key is a consent with its version, or a grant with purpose and
-- register; day is empty for a limit that is not by day.
-- +goose Up
CREATE TABLE consents (
    id          text PRIMARY KEY,
    subject     text NOT NULL,
    client_id   text NOT NULL,
    purpose     text NOT NULL,
    registry    text NOT NULL,
    version     integer NOT NULL CHECK (version >= 1),
    state       text NOT NULL CHECK (state IN ('approved', 'superseded', 'suspended', 'withdrawn', 'expired', 'ended')),
    attributes  text NOT NULL CHECK (attributes <> ''),
    basis       text NOT NULL,
    frequency   text NOT NULL,
    data_life   text NOT NULL,
    valid_until datetime NOT NULL,
    text_hash   text NOT NULL,
    locale      text NOT NULL,
    at          datetime NOT NULL
);
CREATE UNIQUE INDEX consents_one ON consents (subject, client_id, purpose, registry);
CREATE INDEX consents_expiring ON consents (valid_until) WHERE state = 'approved';

CREATE TABLE consent_versions (
    consent_id     text NOT NULL REFERENCES consents (id),
    number         integer NOT NULL,
    state          text NOT NULL,
    attributes     text NOT NULL,
    basis          text NOT NULL,
    frequency      text NOT NULL,
    data_life      text NOT NULL,
    valid_until    datetime NOT NULL,
    text_hash      text NOT NULL,
    locale         text NOT NULL,
    channel        text NOT NULL,
    acr            text NOT NULL,
    session_id     text NOT NULL,
    actor          text NOT NULL,
    representation text NOT NULL,
    at             datetime NOT NULL,
    PRIMARY KEY (consent_id, number)
);

-- A version that could be edited would be no evidence.
-- +goose StatementBegin
CREATE TRIGGER consent_versions_append_only BEFORE UPDATE ON consent_versions
BEGIN
    SELECT RAISE(ABORT, 'a consent version is never changed');
END;
-- +goose StatementEnd

CREATE TABLE release_uses (
    permission text NOT NULL,
    day        text NOT NULL,
    used       integer NOT NULL,
    expires_at datetime NOT NULL,
    PRIMARY KEY (permission, day)
);
CREATE INDEX release_uses_expires_at ON release_uses (expires_at);
