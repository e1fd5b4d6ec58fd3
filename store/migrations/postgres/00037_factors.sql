-- factors: what a person proves herself with, a row a factor. secret is what the kind
-- keeps (a password's hash, a seed sealed by the keyring); counter only grows. They take
-- the place of accounts.password_hash, totp_seed and totp_step.
-- The release before knows those columns only, and both releases must take a one-time
-- code once together. So triggers keep the two in step, in the transaction that writes:
-- what the release before writes to accounts goes into factors, what this one writes to
-- factors goes into accounts, with '' for a factor that was disabled, which no answer
-- matches there. Both hold the account's row before the factor's. The next release drops
-- the triggers and the columns.
-- +goose Up
CREATE TABLE factors (
    id           text PRIMARY KEY,
    subject      text NOT NULL REFERENCES accounts (subject),
    kind         text NOT NULL CHECK (kind <> ''),
    secret       bytea NOT NULL CHECK (length(secret) > 0),
    counter      bigint NOT NULL DEFAULT 0,
    added_at     timestamptz NOT NULL,
    last_used_at timestamptz,
    disabled_at  timestamptz
);
CREATE INDEX factors_subject ON factors (subject);
CREATE UNIQUE INDEX factors_one_of_kind ON factors (subject, kind) WHERE kind IN ('password', 'totp') AND disabled_at IS NULL;

-- +goose StatementBegin
CREATE FUNCTION accounts_into_factors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO factors (id, subject, kind, secret, counter, added_at)
    SELECT gen_random_uuid()::text, NEW.subject, k.kind, k.secret, k.counter, NEW.created_at
    FROM (VALUES ('password', convert_to(NEW.password_hash, 'UTF8'), 0::bigint), ('totp', NEW.totp_seed, NEW.totp_step)) AS k (kind, secret, counter)
    WHERE length(k.secret) > 0
    ON CONFLICT (subject, kind) WHERE kind IN ('password', 'totp') AND disabled_at IS NULL
    DO UPDATE SET secret = excluded.secret, counter = greatest(factors.counter, excluded.counter)
    WHERE factors.secret <> excluded.secret OR factors.counter < excluded.counter;
    RETURN NULL;
END
$$;

CREATE FUNCTION factors_into_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'password' THEN
        UPDATE accounts SET password_hash = CASE WHEN NEW.disabled_at IS NULL THEN convert_from(NEW.secret, 'UTF8') ELSE '' END
        WHERE subject = NEW.subject;
    ELSE
        UPDATE accounts SET totp_seed = CASE WHEN NEW.disabled_at IS NULL THEN NEW.secret ELSE '' END, totp_step = greatest(totp_step, NEW.counter)
        WHERE subject = NEW.subject;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- Depth 0 is a statement of a program: what one trigger writes does not fire the other.
CREATE TRIGGER accounts_inserted AFTER INSERT ON accounts
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION accounts_into_factors();
CREATE TRIGGER accounts_updated AFTER UPDATE OF password_hash, totp_seed, totp_step ON accounts
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION accounts_into_factors();
CREATE TRIGGER factors_inserted AFTER INSERT ON factors
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND NEW.kind IN ('password', 'totp') AND NEW.disabled_at IS NULL) EXECUTE FUNCTION factors_into_accounts();
CREATE TRIGGER factors_updated AFTER UPDATE OF secret, counter, disabled_at ON factors
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND NEW.kind IN ('password', 'totp')
        AND (OLD.secret, OLD.counter, OLD.disabled_at) IS DISTINCT FROM (NEW.secret, NEW.counter, NEW.disabled_at))
    EXECUTE FUNCTION factors_into_accounts();
