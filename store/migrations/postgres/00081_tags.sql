-- tag: a number that only the keyring tells before a row is added, and that no other row has. By it
-- the row that a server wrote is found among any number that somebody added: the place of an
-- event, the event that gave or ended a version of a consent, the n-th counter of a shard. Rows
-- of before have none. events_given has the events with a MAC that decide on a consent, and
-- events_given_before those without one, of the release before, which uses neither.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE events ADD COLUMN IF NOT EXISTS tag bigint;
    ALTER TABLE event_places ADD COLUMN IF NOT EXISTS tag bigint;
    ALTER TABLE log_counters ADD COLUMN IF NOT EXISTS tag bigint;
    CREATE OR REPLACE TRIGGER events_unchanged AFTER UPDATE OF id, at, type, client_id, pseudonym, purpose, registry, permit, consent,
        visible_from, canonical, salt, sequence, mac, mac_key, tag ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
END $do$;
-- +goose StatementEnd
DROP INDEX CONCURRENTLY IF EXISTS events_tagged; -- one that was interrupted is invalid
CREATE UNIQUE INDEX CONCURRENTLY events_tagged ON events (consent, tag) WHERE tag IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS events_given;
CREATE INDEX CONCURRENTLY events_given ON events (consent, id)
    WHERE mac IS NOT NULL AND type IN ('consent.approved', 'consent.withdrawn', 'consent.expired', 'consent.suspended', 'consent.ended');
DROP INDEX CONCURRENTLY IF EXISTS events_given_before;
CREATE INDEX CONCURRENTLY events_given_before ON events (consent, id)
    WHERE mac IS NULL AND type IN ('consent.approved', 'consent.withdrawn', 'consent.expired', 'consent.suspended', 'consent.ended');
DROP INDEX CONCURRENTLY IF EXISTS events_decided;
DROP INDEX CONCURRENTLY IF EXISTS event_places_tagged;
CREATE UNIQUE INDEX CONCURRENTLY event_places_tagged ON event_places (event_id, tag);
DROP INDEX CONCURRENTLY IF EXISTS event_places_event;
DROP INDEX CONCURRENTLY IF EXISTS log_counters_tagged;
CREATE UNIQUE INDEX CONCURRENTLY log_counters_tagged ON log_counters (origin, tag);
