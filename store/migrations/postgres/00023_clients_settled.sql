-- clients.settled counts how often it was waited until no release that knew an app as
-- enabled was on its way. A release shares the key of the app's row, which ordinary
-- changes do not disturb; the unique index makes this column a part of that key, so
-- that counting waits for the releases before, and those that began earlier look again.
-- The release before ignores both.
-- +goose Up
ALTER TABLE clients ADD COLUMN settled integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX clients_settled ON clients (id, settled);
