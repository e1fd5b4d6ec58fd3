-- The factors of accounts that were there before. An account that somebody writes to
-- meanwhile has its rows from the trigger already.
-- +goose Up
INSERT INTO factors (id, subject, kind, secret, counter, added_at)
SELECT lower(hex(randomblob(16))), a.subject, 'password', CAST(a.password_hash AS blob), 0, a.created_at FROM accounts a
WHERE length(a.password_hash) > 0 AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.subject = a.subject AND f.kind = 'password');
INSERT INTO factors (id, subject, kind, secret, counter, added_at)
SELECT lower(hex(randomblob(16))), a.subject, 'totp', CAST(a.totp_seed AS blob), a.totp_step, a.created_at FROM accounts a
WHERE length(a.totp_seed) > 0 AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.subject = a.subject AND f.kind = 'totp');
