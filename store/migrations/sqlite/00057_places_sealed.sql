-- event_places: each place carries a MAC (mac) over shard, place, event, time of noting and
-- whether it is late, under a key of the keyring. One that the release before noted has none
-- and counts only where the log has the event's leaf. So a place that is false keeps no true
-- one from being noted: several events may claim a place. evidence_sealed: since when rows
-- of events carry MACs, one row, itself with a MAC. The release before ignores both.
-- +goose Up
DROP TRIGGER events_erased;
DROP TRIGGER events_place;
CREATE TABLE event_claims (
    origin   text NOT NULL,
    idx      integer NOT NULL,
    event_id text NOT NULL,
    epoch    integer NOT NULL,
    late     boolean NOT NULL,
    noted_at datetime NOT NULL,
    mac      blob,
    PRIMARY KEY (origin, idx, event_id)
);
INSERT INTO event_claims (origin, idx, event_id, epoch, late, noted_at)
    SELECT origin, idx, event_id, epoch, late, noted_at FROM event_places;
DROP TABLE event_places;
ALTER TABLE event_claims RENAME TO event_places;
CREATE INDEX event_places_event ON event_places (event_id);
-- +goose StatementBegin
CREATE TRIGGER event_places_unchanged BEFORE UPDATE ON event_places
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: UPDATE of event_places refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_places_kept BEFORE DELETE ON event_places
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: DELETE of event_places refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_erased BEFORE DELETE ON events WHEN NOT EXISTS (SELECT 1 FROM event_erasures x
    JOIN events t ON t.id = x.tombstone AND t.type = 'evidence.erased' JOIN event_places p ON p.event_id = t.id WHERE x.event_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'an event is erased only after the event that says so is in the log: run hopnhat audit erase'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_places_hint AFTER INSERT ON event_places
BEGIN UPDATE events SET log_index = NEW.idx, log_origin = NEW.origin WHERE id = NEW.event_id AND log_index IS NULL; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_place AFTER UPDATE OF log_index ON events WHEN NEW.log_index IS NOT NULL
BEGIN INSERT OR IGNORE INTO event_places (origin, idx, event_id, epoch, late, noted_at)
    VALUES (NEW.log_origin, NEW.log_index, NEW.id, 0, false, CURRENT_TIMESTAMP); END;
-- +goose StatementEnd
CREATE TABLE evidence_sealed (
    one   integer PRIMARY KEY CHECK (one = 1),
    since datetime NOT NULL,
    mac   blob NOT NULL
);
