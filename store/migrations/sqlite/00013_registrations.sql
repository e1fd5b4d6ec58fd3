-- initial_access_tokens: what an agency's officer lets apps register (RFC 7591
-- §3). Kept by digest; never deleted while an app refers to it, since its policy
-- bounds the app's updates too.
-- registrations: apps that registered themselves, and the token each manages
-- itself with (RFC 7592). The token before is good until the new one is used.
-- grants_client finds the grants of an app that is ended.
-- The release before ignores all three.
-- +goose Up
CREATE TABLE initial_access_tokens (
    id         text PRIMARY KEY,
    digest     blob NOT NULL UNIQUE,
    policy     text NOT NULL,
    uses_left  integer NOT NULL CHECK (uses_left >= 0),
    created_at datetime NOT NULL,
    expires_at datetime NOT NULL,
    revoked_at datetime
);

CREATE TABLE registrations (
    client_id       text PRIMARY KEY REFERENCES clients (id),
    initial_id      text REFERENCES initial_access_tokens (id),
    token_digest    blob NOT NULL,
    previous_digest blob,
    statement       text NOT NULL DEFAULT '',
    created_at      datetime NOT NULL,
    updated_at      datetime NOT NULL
);
CREATE INDEX registrations_initial ON registrations (initial_id);

CREATE INDEX grants_client ON grants (client_id) WHERE revoked_at IS NULL;
