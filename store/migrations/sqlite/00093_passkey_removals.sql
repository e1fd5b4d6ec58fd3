-- passkey_removals: passkeys that were removed, a row each that no role may change or delete: one
-- that is opened again in passkeys, its MAC copied from before, signs nobody in. counter_mac is of
-- the server over the signature counter, so that nobody else sets it on or back to another. The
-- release before does not know passkeys.
-- +goose Up
CREATE TABLE passkey_removals (
    passkey    text PRIMARY KEY REFERENCES passkeys (id),
    removed_at datetime NOT NULL
);
INSERT INTO passkey_removals (passkey, removed_at) SELECT id, disabled_at FROM passkeys WHERE disabled_at IS NOT NULL;
ALTER TABLE passkeys ADD COLUMN counter_mac blob;
