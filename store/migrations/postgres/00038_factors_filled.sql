-- The factors of accounts that were there before, ten thousand accounts a transaction,
-- so that no sign-in waits for more. An account that somebody writes to meanwhile has
-- its rows from the trigger already.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
    from_subject text := '';
    to_subject   text;
BEGIN
    LOOP
        SELECT max(subject) INTO to_subject
        FROM (SELECT subject FROM accounts WHERE subject > from_subject ORDER BY subject LIMIT 10000) AS next;
        EXIT WHEN to_subject IS NULL;
        INSERT INTO factors (id, subject, kind, secret, counter, added_at)
        SELECT gen_random_uuid()::text, a.subject, k.kind, k.secret, k.counter, a.created_at
        FROM accounts a, LATERAL (VALUES ('password', convert_to(a.password_hash, 'UTF8'), 0::bigint), ('totp', a.totp_seed, a.totp_step)) AS k (kind, secret, counter)
        WHERE a.subject > from_subject AND a.subject <= to_subject AND length(k.secret) > 0
          -- Not again one that is there, or was there and is disabled.
          AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.subject = a.subject AND f.kind = k.kind)
        ON CONFLICT (subject, kind) WHERE kind IN ('password', 'totp') AND disabled_at IS NULL DO NOTHING;
        COMMIT;
        from_subject := to_subject;
    END LOOP;
END
$$;
-- +goose StatementEnd
