-- log_shards: how far each shard of a release log is recorded. A checkpoint is published
-- only after this row took its size and root, under the epoch of its writer: one who was
-- replaced has an older epoch, and loses. A shard that is closed takes no more. The
-- release before ignores this table.
-- +goose Up
CREATE TABLE log_shards (
    origin       text PRIMARY KEY,
    log          text NOT NULL,
    epoch        integer NOT NULL,
    size         integer NOT NULL,
    root         text NOT NULL,
    checkpoint   text NOT NULL,
    verifier_key text NOT NULL,
    writer       text NOT NULL,
    recorded_at  datetime NOT NULL,
    closed_at    datetime
);
CREATE INDEX log_shards_log ON log_shards (log);
