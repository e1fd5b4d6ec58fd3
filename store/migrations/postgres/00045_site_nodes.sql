-- sites: where the node that writes the site's log is reached by the other nodes of the
-- site, empty if by none. site_nodes: nodes that do not write the log, and when each last
-- showed that it can write here. The release before ignores both; its nodes are reached
-- by none.
-- +goose Up
ALTER TABLE sites ADD COLUMN address text NOT NULL DEFAULT '';
CREATE TABLE site_nodes (
    node    text PRIMARY KEY,
    site    text NOT NULL,
    seen_at timestamptz NOT NULL
);
