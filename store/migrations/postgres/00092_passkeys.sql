-- passkeys: the WebAuthn credentials that a person signs in with, a row each. They stand beside
-- factors and not in it: a page where a person adds one then needs no right to read the hashes
-- and seeds of that table. public_key is a COSE key, counter the signature counter, which only
-- grows, or stays 0 where the authenticator has none. One that was removed stays, without its
-- name, so that its credential is nobody else's later. mac is of the server over all that never
-- changes: a row that somebody else wrote, or moved to another person, signs nobody in. The release before does not know the
-- table, and signs people in by what they hold beside it.
-- +goose Up
CREATE TABLE passkeys (
    id              text PRIMARY KEY,
    subject         text NOT NULL REFERENCES accounts (subject),
    credential_id   bytea NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    name            text NOT NULL,
    public_key      bytea NOT NULL CHECK (length(public_key) > 0),
    counter         bigint NOT NULL DEFAULT 0,
    aaguid          text NOT NULL,
    synced          boolean NOT NULL,
    mac             bytea NOT NULL,
    added_at        timestamptz NOT NULL,
    last_used_at    timestamptz,
    disabled_at     timestamptz
);
CREATE INDEX passkeys_subject ON passkeys (subject);
