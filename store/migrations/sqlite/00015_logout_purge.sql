-- The purge of delivered logout tokens asks for done_at, each minute; without an
-- index it read the whole outbox. Nothing else changes: the releases before and
-- after need not know.
-- +goose Up
CREATE INDEX logout_deliveries_done_at ON logout_deliveries (done_at) WHERE done_at IS NOT NULL;
