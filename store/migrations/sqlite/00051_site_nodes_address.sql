-- site_nodes: where a node that does not write the site's log is reached by the others, empty
-- if by none: shards that it wrote before are read there. The release before ignores it.
-- +goose Up
ALTER TABLE site_nodes ADD COLUMN address text NOT NULL DEFAULT '';
