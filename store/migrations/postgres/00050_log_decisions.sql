-- log_decisions: what an operator decided of entries of the release log that have no row,
-- since a database was restored from an older copy than the log: those of a shard below a
-- size are lost, and releases go on without them. It only grows. The release before
-- ignores this table.
-- +goose Up
CREATE TABLE log_decisions (
    origin     text NOT NULL,
    size       bigint NOT NULL,
    reason     text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (origin, size)
);
