-- event_places: each place carries a MAC (mac) over shard, place, event, time of noting and
-- whether it is late, under a key of the keyring. One that the release before noted has none
-- and counts only where the log has the event's leaf. So a place that is false keeps no true
-- one from being noted: several events may claim a place. evidence_sealed: since when rows
-- of events carry MACs, one row, itself with a MAC. The release before ignores both.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE event_places ADD COLUMN IF NOT EXISTS mac bytea;
END $do$;
-- +goose StatementEnd
DROP INDEX CONCURRENTLY IF EXISTS event_places_claims; -- one that was interrupted is invalid
CREATE UNIQUE INDEX CONCURRENTLY event_places_claims ON event_places (origin, idx, event_id);
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE event_places DROP CONSTRAINT IF EXISTS event_places_pkey, ADD CONSTRAINT event_places_pkey PRIMARY KEY USING INDEX event_places_claims;
END $do$;
-- +goose StatementEnd
CREATE TABLE IF NOT EXISTS evidence_sealed (
    one   smallint PRIMARY KEY CHECK (one = 1),
    since timestamptz NOT NULL,
    mac   bytea NOT NULL
);
