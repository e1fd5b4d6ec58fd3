-- authorizations: requests that were pushed (RFC 9126) or that wait for the
-- person. The browser carries only the id. A row is finished once, when a code
-- is issued or the request is refused.
-- grants: one row is the whole life of one approval: code, access, refresh,
-- revocation. Redeeming a code and rotating a refresh token are each one
-- conditional UPDATE of it.
-- +goose Up
CREATE TABLE authorizations (
    id          text PRIMARY KEY,
    client_id   text NOT NULL,
    pushed      boolean NOT NULL,
    request     jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX authorizations_expires_at ON authorizations (expires_at);

CREATE TABLE grants (
    id                 text PRIMARY KEY,
    client_id          text NOT NULL,
    subject            text NOT NULL,
    session_id         text NOT NULL,
    profile            text NOT NULL,
    scope              text NOT NULL,
    details            jsonb NOT NULL,
    request            jsonb NOT NULL,
    acr                smallint NOT NULL,
    amr                text NOT NULL,
    auth_time          timestamptz NOT NULL,
    dpop_jkt           text NOT NULL,
    created_at         timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,
    revoked_at         timestamptz,
    revoked_because    text NOT NULL DEFAULT '',
    code_hash          bytea,
    code_expires_at    timestamptz NOT NULL,
    code_spent_at      timestamptz,
    refresh_salt       bytea,
    refresh_rotated_at timestamptz,
    refresh_generation integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX grants_code_hash ON grants (code_hash) WHERE code_hash IS NOT NULL;
CREATE INDEX grants_session ON grants (session_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_subject_client ON grants (subject, client_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_expires_at ON grants (expires_at);

-- used_assertions: client assertions that were accepted (RFC 7523 §3 jti), so
-- that none is accepted twice by any node.
CREATE TABLE used_assertions (
    digest     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_assertions_expires_at ON used_assertions (expires_at);

-- revoked_tokens: access tokens that belong to no grant (client credentials) and
-- were revoked (RFC 7009) before they expired.
CREATE TABLE revoked_tokens (
    digest     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_expires_at ON revoked_tokens (expires_at);
