-- tag: a number that only the keyring tells before a row is added, and that no other row has. By it
-- the row that a server wrote is found among any number that somebody added: the place of an
-- event, the event that gave or ended a version of a consent, the n-th counter of a shard. Rows
-- of before have none. events_given has the events with a MAC that decide on a consent, and
-- events_given_before those without one, of the release before, which uses neither.
-- +goose Up
ALTER TABLE events ADD COLUMN tag integer;
ALTER TABLE event_places ADD COLUMN tag integer;
ALTER TABLE log_counters ADD COLUMN tag integer;
DROP TRIGGER events_unchanged;
-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE OF id, at, type, client_id, pseudonym, purpose, registry, permit, consent,
    visible_from, canonical, salt, sequence, mac, mac_key, tag ON events
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: UPDATE of events refused'); END;
-- +goose StatementEnd
CREATE UNIQUE INDEX events_tagged ON events (consent, tag) WHERE tag IS NOT NULL;
CREATE INDEX events_given ON events (consent, id)
    WHERE mac IS NOT NULL AND type IN ('consent.approved', 'consent.withdrawn', 'consent.expired', 'consent.suspended', 'consent.ended');
CREATE INDEX events_given_before ON events (consent, id)
    WHERE mac IS NULL AND type IN ('consent.approved', 'consent.withdrawn', 'consent.expired', 'consent.suspended', 'consent.ended');
DROP INDEX events_decided;
CREATE UNIQUE INDEX event_places_tagged ON event_places (event_id, tag);
DROP INDEX event_places_event;
CREATE UNIQUE INDEX log_counters_tagged ON log_counters (origin, tag);
