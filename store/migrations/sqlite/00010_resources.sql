-- resources: agencies' APIs that access tokens can be for (RFC 8707).
-- grants.continues: the grant that this one goes on from, for an app that
-- replaces or merges what it was given and keeps the grant's name (OAuth 2.0 Grant
-- Management). It is empty for a first one. The release before writes neither.
-- +goose Up
CREATE TABLE resources (
    id         text PRIMARY KEY,
    record     text NOT NULL,
    disabled   boolean NOT NULL DEFAULT false,
    created_at datetime NOT NULL,
    updated_at datetime NOT NULL
);

ALTER TABLE grants ADD COLUMN continues text NOT NULL DEFAULT '';
CREATE INDEX grants_continues ON grants (continues) WHERE continues <> '';
