-- federation_bundles: the newest bundle of each trust anchor that was taken in, or made, so that an
-- older one does not bring back who was dropped since. serial only rises. The release before ignores
-- the table.
-- +goose Up
CREATE TABLE federation_bundles (
    anchor    text PRIMARY KEY,
    serial    bigint NOT NULL CHECK (serial > 0),
    issued_at datetime NOT NULL,
    digest    text NOT NULL
);
