-- accounts: persons who can sign in. identifiers: the dated numbers they do it
-- with; a number is never a key, and a cancelled one still finds its subject.
-- sessions: browsers signed in. attempts: failures at numbers that have no
-- account, so that those wait like any other. logout_deliveries: the outbox of
-- logout tokens.
-- +goose Up
CREATE TABLE accounts (
    subject       text PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('citizen', 'foreigner', 'origin_unconfirmed')),
    person_id     text NOT NULL UNIQUE,
    name          text NOT NULL,
    account_level smallint NOT NULL CHECK (account_level IN (1, 2)),
    id_epoch      integer NOT NULL DEFAULT 1,
    password_hash text NOT NULL,
    totp_seed     bytea NOT NULL,
    totp_step     bigint NOT NULL DEFAULT 0,
    failures      integer NOT NULL DEFAULT 0,
    failed_at     timestamptz,
    locked_at     timestamptz,
    lock_reason   text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL
);

CREATE TABLE identifiers (
    number     text NOT NULL,
    kind       text NOT NULL,
    subject    text NOT NULL REFERENCES accounts (subject),
    valid_from timestamptz NOT NULL,
    valid_to   timestamptz,
    PRIMARY KEY (number, kind)
);
CREATE INDEX identifiers_subject ON identifiers (subject);

CREATE TABLE attempts (
    number_key bytea PRIMARY KEY,
    failures   integer NOT NULL,
    failed_at  timestamptz NOT NULL
);
CREATE INDEX attempts_failed_at ON attempts (failed_at);

CREATE TABLE sessions (
    id          text PRIMARY KEY,
    secret_hash bytea NOT NULL,
    subject     text NOT NULL REFERENCES accounts (subject),
    auth_time   timestamptz NOT NULL,
    methods     text NOT NULL,
    level       smallint NOT NULL,
    device      text NOT NULL,
    created_at  timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    ended_at    timestamptz,
    ended_because text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX sessions_secret_hash ON sessions (secret_hash);
CREATE INDEX sessions_subject_seen ON sessions (subject, seen_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_created_at ON sessions (created_at);

CREATE TABLE logout_deliveries (
    id         text PRIMARY KEY,
    session_id text NOT NULL,
    subject    text NOT NULL,
    client_id  text NOT NULL,
    uri        text NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    next_at    timestamptz NOT NULL,
    done_at    timestamptz,
    failed     text NOT NULL DEFAULT ''
);
CREATE INDEX logout_deliveries_next_at ON logout_deliveries (next_at) WHERE done_at IS NULL;
CREATE INDEX logout_deliveries_session ON logout_deliveries (session_id);
