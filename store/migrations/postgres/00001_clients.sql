-- Registered apps. The whole record is one document, since it is read whole into
-- a cache and changed whole; what must be unique or searched has a column.
-- +goose Up
CREATE TABLE clients (
    id          text PRIMARY KEY,
    record      jsonb NOT NULL,
    disabled    boolean NOT NULL DEFAULT false,
    revision    bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
CREATE INDEX clients_updated_at ON clients (updated_at);
