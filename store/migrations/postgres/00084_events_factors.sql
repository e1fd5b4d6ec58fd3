-- events: what events say of how a person signs in, her links with other providers among it, is found
-- from the person: a sign-in by a link is held against the event that made it. The release before
-- writes events while the index is made, and does not use it.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS events_factors; -- one that was interrupted is invalid
CREATE INDEX CONCURRENTLY events_factors ON events (pseudonym, id) WHERE type = 'account.factor-changed';
