-- regional_people: at the provider of a province, people who chose it: until when what the
-- centre handed over of them is good, its digest (empty where it ended and was deleted), and when
-- the centre last named them. regional_keys: the key of the province, sealed, and the sectors that
-- are named under the national one. The release before ignores both.
-- +goose Up
CREATE TABLE regional_people (
    subject    text PRIMARY KEY REFERENCES accounts (subject),
    good_until timestamptz NOT NULL,
    digest     text NOT NULL,
    seen_at    timestamptz NOT NULL
);
CREATE INDEX regional_people_until ON regional_people (good_until) WHERE digest <> '';
CREATE INDEX regional_people_seen ON regional_people (seen_at) WHERE digest <> '';
CREATE TABLE regional_keys (
    centre      text PRIMARY KEY,
    sealed      bytea NOT NULL,
    before      text NOT NULL,
    received_at timestamptz NOT NULL
);
