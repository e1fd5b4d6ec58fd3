-- The event by which a consent was given is found from the consent: a release names it. The
-- release before writes events while the index is made.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS events_agreed; -- one that was interrupted is invalid
CREATE INDEX CONCURRENTLY events_agreed ON events (consent, id) WHERE type = 'consent.approved';
