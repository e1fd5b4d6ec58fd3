-- log_counters: how many events of each hour, app and kind stand in a stretch of a shard of the
-- log, as its writer counted them (counted, a text of JSON), with a MAC. Rows are added and never
-- changed or deleted; several may claim a stretch, of which those count whose MAC holds. The
-- release before ignores the table.
-- +goose Up
CREATE TABLE log_counters (
    origin     text NOT NULL,
    first_idx  bigint NOT NULL CHECK (first_idx >= 0),
    end_idx    bigint NOT NULL CHECK (end_idx > first_idx),
    counted_at timestamptz NOT NULL,
    counted    text NOT NULL CHECK (octet_length(counted) <= 1048576),
    mac        bytea NOT NULL CHECK (octet_length(mac) = 32),
    PRIMARY KEY (origin, first_idx, mac)
);
CREATE TRIGGER log_counters_unchanged BEFORE UPDATE OR DELETE ON log_counters FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_counters_kept BEFORE TRUNCATE ON log_counters FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
