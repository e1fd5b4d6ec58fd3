-- used_challenges: challenges of passkeys that were answered. used_proofs: by what entities of a
-- federation proved at its endpoints who they are. Each counts once at all nodes. They stand apart
-- from used_assertions, so that a node with the role portal or federation neither spends what an
-- app will send nor lets it count twice. The release before ignores both.
-- +goose Up
CREATE TABLE used_challenges (
    digest     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_challenges_expires_at ON used_challenges (expires_at);
CREATE TABLE used_proofs (
    digest     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_proofs_expires_at ON used_proofs (expires_at);
