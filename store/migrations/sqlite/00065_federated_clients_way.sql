-- way: how an app of a federation was registered, automatically with its first request, or
-- explicitly (OpenID Federation 1.0 §12.2), for which the chains it sends change nothing.
-- +goose Up
ALTER TABLE federated_clients ADD COLUMN way text NOT NULL DEFAULT 'automatic' CHECK (way IN ('automatic', 'explicit'));
