-- decoupled_requests: sign-ins that are asked for on one device and answered on
-- another (RFC 8628, CIBA). What a request asks for is in authorizations under the
-- same id. Each step is one conditional UPDATE. ping_at is set when a client of
-- ping mode is to be told; its sealed token is deleted once it was.
-- pairwise_subjects: whom an ID token of ours names, for clients that may send it
-- back as id_token_hint; a pseudonym cannot be reversed.
-- The release before ignores both.
-- +goose Up
CREATE TABLE decoupled_requests (
    id            text PRIMARY KEY,
    channel       text NOT NULL CHECK (channel IN ('device', 'ciba')),
    client_id     text NOT NULL,
    subject       text NOT NULL,
    user_code     blob,
    symbol        text NOT NULL,
    message       text NOT NULL,
    state         text NOT NULL CHECK (state IN ('requested', 'shown', 'confirmed', 'approved', 'denied')),
    because       text NOT NULL DEFAULT '',
    created_at    datetime NOT NULL,
    expires_at    datetime NOT NULL,
    decided_at    datetime,
    notification  blob,
    ping_at       datetime,
    ping_attempts integer NOT NULL DEFAULT 0,
    ping_failed   text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX decoupled_requests_user_code ON decoupled_requests (user_code) WHERE user_code IS NOT NULL;
CREATE INDEX decoupled_requests_subject ON decoupled_requests (subject, expires_at) WHERE subject <> '';
CREATE INDEX decoupled_requests_ping_at ON decoupled_requests (ping_at) WHERE ping_at IS NOT NULL;
CREATE INDEX decoupled_requests_expires_at ON decoupled_requests (expires_at);

CREATE TABLE pairwise_subjects (
    sector  text NOT NULL,
    sub     text NOT NULL,
    subject text NOT NULL,
    PRIMARY KEY (sector, sub)
);
