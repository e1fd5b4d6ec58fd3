-- key_versions: where each version of a key stands in its life (keys/lifecycle).
-- No key material: the public halves are read from where the keys are kept, so
-- that a row added here makes nobody trust another key.
-- key_nodes: the processes that serve a JWK Set, and what each serves.
-- key_lease: the one node that moves versions.
-- key_parties: relying parties that used their credentials, and when they were
-- last seen to fetch the JWK Set.
-- key_signatures: how many signatures a version made in a minute.
-- +goose Up
CREATE TABLE key_versions (
    key_id       text PRIMARY KEY,
    use          text NOT NULL,
    alg          text NOT NULL,
    state        text NOT NULL CHECK (state IN ('announced', 'published', 'active', 'retiring', 'retired', 'revoked')),
    urgent       boolean NOT NULL DEFAULT false,
    announced_at timestamptz NOT NULL,
    published_at timestamptz,
    activated_at timestamptz,
    retiring_at  timestamptz,
    ended_at     timestamptz
);
CREATE UNIQUE INDEX key_versions_one_active ON key_versions (use, alg) WHERE state = 'active';

CREATE TABLE key_nodes (
    id      text PRIMARY KEY,
    seen_at timestamptz NOT NULL,
    serving text NOT NULL
);

CREATE TABLE key_lease (
    one        integer PRIMARY KEY CHECK (one = 1),
    node       text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE key_parties (
    party      text PRIMARY KEY,
    address    text NOT NULL,
    active_at  timestamptz NOT NULL,
    fetched_at timestamptz
);
CREATE INDEX key_parties_address ON key_parties (address);
CREATE INDEX key_parties_active_at ON key_parties (active_at);

CREATE TABLE key_signatures (
    key_id text NOT NULL,
    minute timestamptz NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (key_id, minute)
);
