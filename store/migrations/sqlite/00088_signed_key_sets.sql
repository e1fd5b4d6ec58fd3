-- signed_key_sets: when the newest signed JWK Set of an app was issued, so that an older one does not
-- bring back keys that the app took out. issued_at only rises; 1970 for a set without a time. The
-- release before ignores the table.
-- +goose Up
CREATE TABLE signed_key_sets (
    client_id text PRIMARY KEY,
    issued_at datetime NOT NULL
);
