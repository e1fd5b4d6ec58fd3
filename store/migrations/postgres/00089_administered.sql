-- The newest event of an enrolment is found from the entity: nothing is signed about one that is
-- not as that event says. administered_events are the events by which apps and entities were
-- administered, and no other: a node of the federation reads these and no event of a person. The
-- view cannot be written through, since it joins. The release before uses neither.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS events_administered;
CREATE INDEX CONCURRENTLY events_administered ON events (client_id, id) WHERE type = 'admin.action' AND client_id <> '';
CREATE OR REPLACE VIEW administered_events AS
    SELECT e.id, e.at, e.type, e.client_id, e.pseudonym, e.purpose, e.registry, e.permit, e.consent, e.visible_from, e.canonical, e.salt,
        e.sequence, e.mac, e.mac_key
    FROM events e CROSS JOIN (VALUES (1)) AS one (n)
    WHERE e.type = 'admin.action' AND e.client_id <> '' AND e.mac IS NOT NULL;
