-- What says what became of the evidence carries a MAC (mac) over its row, under a key of the
-- keyring for its table: the heads of shards, what operators decided of the log, incidents,
-- and how far reconciliation has come. The release before ignores the columns.
-- +goose Up
ALTER TABLE log_shards ADD COLUMN mac blob;
ALTER TABLE log_decisions ADD COLUMN mac blob;
ALTER TABLE incidents ADD COLUMN mac blob;
ALTER TABLE reconcilers ADD COLUMN mac blob;
