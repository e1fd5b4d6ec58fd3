-- roles: who may do more than a person for herself. Given and taken by an
-- operator's command, never by the server.
-- +goose Up
CREATE TABLE roles (
    subject    text NOT NULL REFERENCES accounts (subject),
    role       text NOT NULL CHECK (role IN ('auditor', 'operator')),
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (subject, role)
);
