-- events: each row carries a MAC (mac) over its canonical bytes, its salt and what is
-- searched, under a key of the keyring whose version mac_key names. sequence is the running
-- number of the person. Rows of the release before have none of the three; that release
-- ignores them. Rows are added and never changed; one is deleted only after its erasure was
-- ordered (event_erasures) and the event that says so is in the log.
-- event_places: where the leaf of an event stands in the log. It only grows. A place at or
-- beyond the end of a closed shard is none. epoch is that of the shard's writer; late says
-- that the leaf was appended long after the decision. events.log_index and log_origin are
-- a hint from now on, for the release before: triggers keep the two in step.
-- event_numbers: the last running number that a person was given.
-- The release before goes on while this runs. Each step takes its locks for a moment, waits for
-- them three seconds at most and can be made again: places are copied 20,000 events a commit,
-- after the trigger is there that keeps those which the release before notes meanwhile.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE events ADD COLUMN IF NOT EXISTS sequence bigint, ADD COLUMN IF NOT EXISTS mac bytea, ADD COLUMN IF NOT EXISTS mac_key text;
END $do$;
-- +goose StatementEnd

CREATE TABLE IF NOT EXISTS event_places (
    origin   text NOT NULL,
    idx      bigint NOT NULL,
    event_id text NOT NULL,
    epoch    bigint NOT NULL,
    late     boolean NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (origin, idx)
);
CREATE INDEX IF NOT EXISTS event_places_event ON event_places (event_id);

CREATE TABLE IF NOT EXISTS event_numbers (
    pseudonym text PRIMARY KEY,
    last      bigint NOT NULL CHECK (last > 0)
);

CREATE TABLE IF NOT EXISTS event_erasures (
    event_id   text PRIMARY KEY,
    tombstone  text NOT NULL,
    ordered_at timestamptz NOT NULL
);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'evidence is added to and never changed or deleted: % of % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refuse_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM event_erasures x JOIN events t ON t.id = x.tombstone AND t.type = 'evidence.erased'
            JOIN event_places p ON p.event_id = t.id WHERE x.event_id = OLD.id) THEN
        RAISE EXCEPTION 'an event is erased only after the event that says so is in the log: run hopnhat audit erase'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
-- What this release notes, the release before finds; and the other way round.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION hint_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE events SET log_index = NEW.idx, log_origin = NEW.origin WHERE id = NEW.event_id AND log_index IS NULL;
    RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION keep_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at)
        VALUES (NEW.log_origin, NEW.log_index, NEW.id, 0, false, now()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER events_place AFTER UPDATE OF log_index ON events FOR EACH ROW
        WHEN (NEW.log_index IS NOT NULL) EXECUTE FUNCTION keep_place();
    CREATE OR REPLACE TRIGGER events_unchanged BEFORE UPDATE OF id, at, type, client_id, pseudonym, purpose, registry, permit, consent,
        visible_from, canonical, salt, sequence, mac, mac_key ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER events_kept BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER events_erased BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_erasure();
END $do$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $do$
DECLARE
    after text := '';
    upto  text;
BEGIN
    LOOP
        SELECT max(id) INTO upto FROM (SELECT id FROM events WHERE id > after ORDER BY id LIMIT 20000) AS t;
        EXIT WHEN upto IS NULL;
        INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at)
            SELECT log_origin, log_index, id, 0, false, now() FROM events
            WHERE id > after AND id <= upto AND log_index IS NOT NULL ORDER BY id ON CONFLICT DO NOTHING;
        COMMIT;
        after := upto;
    END LOOP;
END $do$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER event_places_unchanged BEFORE UPDATE OR DELETE ON event_places FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER event_places_kept BEFORE TRUNCATE ON event_places FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER event_numbers_kept BEFORE DELETE ON event_numbers FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER event_numbers_counted BEFORE UPDATE ON event_numbers FOR EACH ROW
        WHEN (NEW.pseudonym <> OLD.pseudonym OR NEW.last <> OLD.last + 1) EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER event_erasures_unchanged BEFORE UPDATE OR DELETE ON event_erasures FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER event_places_hint AFTER INSERT ON event_places FOR EACH ROW EXECUTE FUNCTION hint_place();
END $do$;
-- +goose StatementEnd
