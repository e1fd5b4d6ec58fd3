-- An index of events holds what is searched by it, and no sign-in, the most common event,
-- where none is: it has no app and no purpose, and who looks for all sign-ins reads by id.
-- Where an event stands in the log is looked up in event_places.
-- The release before, which does not say that what it looks for is not empty, reads the table
-- where this one reads an index: searches of the console by app, purpose or kind.
-- +goose Up
CREATE INDEX events_of_client ON events (client_id, id) WHERE client_id <> '';
CREATE INDEX events_of_purpose ON events (purpose, id) WHERE purpose <> '';
CREATE INDEX events_of_type ON events (type, id) WHERE type <> 'session.signed-in';
DROP INDEX events_client;
DROP INDEX events_purpose;
DROP INDEX events_type;
DROP INDEX events_log_place;
