-- An index of events holds what is searched by it, and no sign-in, the most common event,
-- where none is: it has no app and no purpose, and who looks for all sign-ins reads by id.
-- Times grow with the rows, so a summary of each stretch of the table finds a time.
-- The release before finds by these indexes what it found by the others, as its searches
-- give values. At each start it looks for the end of its log by events_log_place, which stays
-- for it, and goes with the next release. SQLite, where it could not find by an index of a
-- part, has no migration of this number.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS events_of_client;
CREATE INDEX CONCURRENTLY events_of_client ON events (client_id, id) WHERE client_id <> '';
DROP INDEX CONCURRENTLY IF EXISTS events_of_purpose;
CREATE INDEX CONCURRENTLY events_of_purpose ON events (purpose, id) WHERE purpose <> '';
DROP INDEX CONCURRENTLY IF EXISTS events_of_type;
CREATE INDEX CONCURRENTLY events_of_type ON events (type, id) WHERE type <> 'session.signed-in';
DROP INDEX CONCURRENTLY IF EXISTS events_of_time;
CREATE INDEX CONCURRENTLY events_of_time ON events USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX CONCURRENTLY IF EXISTS events_client;
DROP INDEX CONCURRENTLY IF EXISTS events_purpose;
DROP INDEX CONCURRENTLY IF EXISTS events_type;
DROP INDEX CONCURRENTLY IF EXISTS events_at;

-- A place is noted with others by one statement: so is what the release before finds of it.
-- What that writes to events is a place that is there, which events_place passes over: depth
-- 0 is a statement of a program. A change is refused after it, which locks no row that is not
-- changed otherwise; the statement is undone all the same.
-- +goose StatementBegin
DO $do$
BEGIN
    CREATE OR REPLACE FUNCTION hint_places() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    BEGIN
        UPDATE events SET log_index = p.idx, log_origin = p.origin FROM placed p WHERE events.id = p.event_id AND events.log_index IS NULL;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER event_places_hint AFTER INSERT ON event_places
        REFERENCING NEW TABLE AS placed FOR EACH STATEMENT EXECUTE FUNCTION hint_places();
    CREATE OR REPLACE TRIGGER events_place AFTER UPDATE OF log_index ON events FOR EACH ROW
        WHEN (NEW.log_index IS NOT NULL AND pg_trigger_depth() = 0) EXECUTE FUNCTION keep_place();
    CREATE OR REPLACE TRIGGER events_unchanged AFTER UPDATE OF id, at, type, client_id, pseudonym, purpose, registry, permit, consent,
        visible_from, canonical, salt, sequence, mac, mac_key ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
    DROP FUNCTION IF EXISTS hint_place();
END $do$;
-- +goose StatementEnd

-- Room in each page for rows that a sign-in changes: what then stays in its page is in no
-- index anew.
ALTER TABLE sign_in_attempts SET (fillfactor = 70);
ALTER TABLE factors SET (fillfactor = 85);
ALTER TABLE accounts SET (fillfactor = 90);
