-- sites: which node serves a site, and when it last showed that it can write. A site
-- has one release log and one writer: a second node of the same name is refused at
-- its start. The release before ignores this table.
-- +goose Up
CREATE TABLE sites (
    site    text PRIMARY KEY,
    node    text NOT NULL,
    seen_at datetime NOT NULL
);
