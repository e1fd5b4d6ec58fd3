-- The newest event of an enrolment is found from the entity: nothing is signed about one that is
-- not as that event says. administered_events are the events by which apps and entities were
-- administered, and no other. The release before uses neither.
-- +goose Up
CREATE INDEX events_administered ON events (client_id, id) WHERE type = 'admin.action' AND client_id <> '';
CREATE VIEW administered_events AS
    SELECT id, at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence, mac, mac_key
    FROM events WHERE type = 'admin.action' AND client_id <> '' AND mac IS NOT NULL;
