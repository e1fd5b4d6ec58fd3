-- log_counters: how many events of each hour, app and kind stand in a stretch of a shard of the
-- log, as its writer counted them (counted, a text of JSON), with a MAC. Rows are added and never
-- changed or deleted; several may claim a stretch, of which those count whose MAC holds. The
-- release before ignores the table.
-- +goose Up
CREATE TABLE log_counters (
    origin     text NOT NULL,
    first_idx  integer NOT NULL CHECK (first_idx >= 0),
    end_idx    integer NOT NULL CHECK (end_idx > first_idx),
    counted_at datetime NOT NULL,
    counted    text NOT NULL CHECK (length(counted) <= 1048576),
    mac        blob NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (origin, first_idx, mac)
);
-- +goose StatementBegin
CREATE TRIGGER log_counters_unchanged BEFORE UPDATE ON log_counters
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: UPDATE of log_counters refused'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_counters_kept BEFORE DELETE ON log_counters
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: DELETE of log_counters refused'); END;
-- +goose StatementEnd
