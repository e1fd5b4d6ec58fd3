-- What became of logout tokens is shown: of one app, and of all that failed. The
-- release before writes sentences into failed where this one writes words; both
-- only show them.
-- +goose Up
CREATE INDEX logout_deliveries_client ON logout_deliveries (client_id, id);
CREATE INDEX logout_deliveries_failed ON logout_deliveries (id) WHERE failed <> '';
