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
-- +goose Up
ALTER TABLE events ADD COLUMN sequence integer;
ALTER TABLE events ADD COLUMN mac blob;
ALTER TABLE events ADD COLUMN mac_key text;

CREATE TABLE event_places (
    origin   text NOT NULL,
    idx      integer NOT NULL,
    event_id text NOT NULL,
    epoch    integer NOT NULL,
    late     boolean NOT NULL,
    noted_at datetime NOT NULL,
    PRIMARY KEY (origin, idx)
);
INSERT OR IGNORE INTO event_places (origin, idx, event_id, epoch, late, noted_at)
    SELECT log_origin, log_index, id, 0, false, CURRENT_TIMESTAMP FROM events WHERE log_index IS NOT NULL ORDER BY id;
CREATE INDEX event_places_event ON event_places (event_id);

CREATE TABLE event_numbers (
    pseudonym text PRIMARY KEY,
    last      integer NOT NULL CHECK (last > 0)
);

CREATE TABLE event_erasures (
    event_id   text PRIMARY KEY,
    tombstone  text NOT NULL,
    ordered_at datetime NOT NULL
);

-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE OF id, at, type, client_id, pseudonym, purpose, registry, permit, consent,
    visible_from, canonical, salt, sequence, mac, mac_key ON events
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: UPDATE of events refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_places_unchanged BEFORE UPDATE ON event_places
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: UPDATE of event_places refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_places_kept BEFORE DELETE ON event_places
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: DELETE of event_places refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_numbers_kept BEFORE DELETE ON event_numbers
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: DELETE of event_numbers refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_numbers_counted BEFORE UPDATE ON event_numbers WHEN NEW.pseudonym <> OLD.pseudonym OR NEW.last <> OLD.last + 1
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: UPDATE of event_numbers refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_erasures_unchanged BEFORE UPDATE ON event_erasures
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: UPDATE of event_erasures refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_erasures_kept BEFORE DELETE ON event_erasures
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: DELETE of event_erasures refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_erased BEFORE DELETE ON events WHEN NOT EXISTS (SELECT 1 FROM event_erasures x
    JOIN events t ON t.id = x.tombstone AND t.type = 'evidence.erased' JOIN event_places p ON p.event_id = t.id WHERE x.event_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'an event is erased only after the event that says so is in the log: run hopnhat audit erase'); END;
-- +goose StatementEnd

-- What this release notes, the release before finds; and the other way round.
-- +goose StatementBegin
CREATE TRIGGER event_places_hint AFTER INSERT ON event_places
BEGIN UPDATE events SET log_index = NEW.idx, log_origin = NEW.origin WHERE id = NEW.event_id AND log_index IS NULL; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_place AFTER UPDATE OF log_index ON events WHEN NEW.log_index IS NOT NULL
BEGIN INSERT OR IGNORE INTO event_places (origin, idx, event_id, epoch, late, noted_at)
    VALUES (NEW.log_origin, NEW.log_index, NEW.id, 0, false, CURRENT_TIMESTAMP); END;
-- +goose StatementEnd
