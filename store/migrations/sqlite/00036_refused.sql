-- authorizations.refused is what the app was answered if that was a refusal, as a query,
-- so that who refuses twice, as a double click does, is led to the app twice.
-- The release before leaves it empty.
-- +goose Up
ALTER TABLE authorizations ADD COLUMN refused text NOT NULL DEFAULT '';
