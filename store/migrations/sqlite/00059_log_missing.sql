-- log_shards.missing_from: from which place on entries of the shard may have no row here, since
-- an older copy of the database was restored, until each has one or an operator decided. It
-- stands until then, whatever starts in between. Null where none lacks one; the release before
-- ignores it.
-- +goose Up
ALTER TABLE log_shards ADD COLUMN missing_from integer CHECK (missing_from >= 0);
