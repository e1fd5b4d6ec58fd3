-- Sign-in by another provider. upstream_links binds an account to a person at a provider, (issuer,
-- provider_subject): one live row each way; a row never changes but that it ends. upstream_pending is
-- what is under way there, upstream_proofs a link that waits for the person's word; both are
-- taken once and purged. upstream_sessions says by which link a session goes on.
-- The release before ignores the tables; a session that began by a provider is to it a session.
-- +goose Up
CREATE TABLE upstream_links (
    id               text PRIMARY KEY,
    account          text NOT NULL REFERENCES accounts (subject),
    alias            text NOT NULL CHECK (alias <> ''),
    issuer           text NOT NULL CHECK (issuer <> ''),
    provider_subject text NOT NULL CHECK (provider_subject <> ''),
    level            integer NOT NULL CHECK (level BETWEEN 1 AND 4),
    by_number        boolean NOT NULL,
    made_at          timestamptz NOT NULL,
    ended_at         timestamptz
);
CREATE UNIQUE INDEX upstream_links_there ON upstream_links (issuer, provider_subject) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX upstream_links_here ON upstream_links (account, issuer) WHERE ended_at IS NULL;

CREATE TABLE upstream_pending (
    state      bytea PRIMARY KEY CHECK (octet_length(state) = 32),
    browser    bytea NOT NULL CHECK (octet_length(browser) = 32),
    alias      text NOT NULL,
    nonce      text NOT NULL,
    verifier   text NOT NULL,
    fresh      boolean NOT NULL,
    level      integer NOT NULL,
    next       text NOT NULL,
    account    text REFERENCES accounts (subject),
    session_id text,
    begun_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK ((account IS NULL) = (session_id IS NULL))
);
CREATE INDEX upstream_pending_expires ON upstream_pending (expires_at);

CREATE TABLE upstream_proofs (
    id               bytea PRIMARY KEY CHECK (octet_length(id) = 32),
    session_id       text NOT NULL,
    account          text NOT NULL REFERENCES accounts (subject),
    alias            text NOT NULL,
    issuer           text NOT NULL,
    provider_subject text NOT NULL,
    level            integer NOT NULL,
    expires_at       timestamptz NOT NULL
);
CREATE INDEX upstream_proofs_expires ON upstream_proofs (expires_at);
CREATE INDEX upstream_proofs_account ON upstream_proofs (account);

CREATE TABLE upstream_sessions (
    session_id text PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    link_id    text NOT NULL REFERENCES upstream_links (id),
    alias      text NOT NULL,
    there      text NOT NULL
);
CREATE INDEX upstream_sessions_link ON upstream_sessions (link_id);
CREATE INDEX upstream_sessions_there ON upstream_sessions (alias, there);
