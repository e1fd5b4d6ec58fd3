-- What says what became of the evidence carries a MAC (mac) over its row, under a key of the
-- keyring for its table: the heads of shards, what operators decided of the log, incidents,
-- and how far reconciliation has come. A time of an event or a place is one: infinity cannot
-- be read. Rows that are there are not looked through. The release before ignores the
-- columns, and writes no such time.
-- +goose Up
SET LOCAL lock_timeout = '3s';
ALTER TABLE log_shards ADD COLUMN mac bytea;
ALTER TABLE log_decisions ADD COLUMN mac bytea;
ALTER TABLE incidents ADD COLUMN mac bytea;
ALTER TABLE reconcilers ADD COLUMN mac bytea;
ALTER TABLE events ADD CONSTRAINT events_times CHECK (isfinite(at) AND (visible_from IS NULL OR isfinite(visible_from))) NOT VALID;
ALTER TABLE event_places ADD CONSTRAINT event_places_times CHECK (isfinite(noted_at)) NOT VALID;
