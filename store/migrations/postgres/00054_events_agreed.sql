-- The event by which a consent was given is found from the consent: a release names it. The
-- release before writes events while the index is made.
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY IF NOT EXISTS events_agreed ON events (consent, id) WHERE type = 'consent.approved';
