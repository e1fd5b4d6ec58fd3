-- federation_verdicts: what a node found of each entity of the federation whenever that was another
-- than before; federation_walks: when a node had gone through the federation. Together they say
-- who was trusted at a time, and where nobody looked. Rows are added, and deleted when they are
-- old. The release before ignores both.
-- +goose Up
CREATE TABLE federation_verdicts (
    node      text NOT NULL,
    entity_id text NOT NULL,
    at        datetime NOT NULL,
    digest    text NOT NULL,
    record    text NOT NULL,
    PRIMARY KEY (node, entity_id, at)
);
CREATE INDEX federation_verdicts_at ON federation_verdicts (at);
CREATE TABLE federation_walks (
    node    text NOT NULL,
    at      datetime NOT NULL,
    trusted integer NOT NULL,
    failed  integer NOT NULL,
    PRIMARY KEY (node, at)
);
