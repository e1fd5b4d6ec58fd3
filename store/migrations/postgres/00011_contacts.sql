-- contacts: how a person can be reached, sealed like every stored secret, and when
-- she proved that she holds it. The release before ignores this table.
-- +goose Up
CREATE TABLE contacts (
    subject     text NOT NULL REFERENCES accounts (subject),
    kind        text NOT NULL CHECK (kind IN ('email', 'phone')),
    sealed      bytea NOT NULL,
    verified_at timestamptz,
    PRIMARY KEY (subject, kind)
);
