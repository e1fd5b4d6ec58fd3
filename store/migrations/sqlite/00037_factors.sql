-- factors: what a person proves herself with, a row a factor. secret is what the kind
-- keeps (a password's hash, a seed sealed by the keyring); counter only grows. They take
-- the place of accounts.password_hash, totp_seed and totp_step.
-- The release before knows those columns only, and both releases must take a one-time
-- code once together. So triggers keep the two in step, in the transaction that writes:
-- what the release before writes to accounts goes into factors, what this one writes to
-- factors goes into accounts, with '' for a factor that was disabled, which no answer
-- matches there. A trigger that finds both alike writes nothing. The next release drops
-- the triggers and the columns.
-- +goose Up
CREATE TABLE factors (
    id           text PRIMARY KEY,
    subject      text NOT NULL REFERENCES accounts (subject),
    kind         text NOT NULL CHECK (kind <> ''),
    secret       blob NOT NULL CHECK (length(secret) > 0),
    counter      integer NOT NULL DEFAULT 0,
    added_at     datetime NOT NULL,
    last_used_at datetime,
    disabled_at  datetime
);
CREATE INDEX factors_subject ON factors (subject);
CREATE UNIQUE INDEX factors_one_of_kind ON factors (subject, kind) WHERE kind IN ('password', 'totp') AND disabled_at IS NULL;

-- +goose StatementBegin
CREATE TRIGGER accounts_inserted AFTER INSERT ON accounts BEGIN
    INSERT INTO factors (id, subject, kind, secret, counter, added_at)
    SELECT lower(hex(randomblob(16))), NEW.subject, k.kind, k.secret, k.counter, NEW.created_at
    FROM (SELECT 'password' AS kind, CAST(NEW.password_hash AS blob) AS secret, 0 AS counter
        UNION ALL SELECT 'totp', CAST(NEW.totp_seed AS blob), NEW.totp_step) AS k
    WHERE length(k.secret) > 0;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER accounts_updated AFTER UPDATE OF password_hash, totp_seed, totp_step ON accounts BEGIN
    INSERT INTO factors (id, subject, kind, secret, counter, added_at)
    SELECT lower(hex(randomblob(16))), NEW.subject, k.kind, k.secret, k.counter, NEW.created_at
    FROM (SELECT 'password' AS kind, CAST(NEW.password_hash AS blob) AS secret, 0 AS counter
        UNION ALL SELECT 'totp', CAST(NEW.totp_seed AS blob), NEW.totp_step) AS k
    WHERE length(k.secret) > 0
    ON CONFLICT (subject, kind) WHERE kind IN ('password', 'totp') AND disabled_at IS NULL
    DO UPDATE SET secret = excluded.secret, counter = max(factors.counter, excluded.counter)
    WHERE factors.secret <> excluded.secret OR factors.counter < excluded.counter;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER factors_inserted AFTER INSERT ON factors WHEN NEW.kind IN ('password', 'totp') AND NEW.disabled_at IS NULL BEGIN
    UPDATE accounts SET password_hash = CAST(NEW.secret AS text)
    WHERE subject = NEW.subject AND NEW.kind = 'password' AND password_hash <> CAST(NEW.secret AS text);
    UPDATE accounts SET totp_seed = NEW.secret, totp_step = max(totp_step, NEW.counter)
    WHERE subject = NEW.subject AND NEW.kind = 'totp' AND (totp_seed <> NEW.secret OR totp_step < NEW.counter);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER factors_updated AFTER UPDATE OF secret, counter, disabled_at ON factors
WHEN NEW.kind IN ('password', 'totp')
    AND (OLD.secret <> NEW.secret OR OLD.counter <> NEW.counter OR OLD.disabled_at IS NOT NEW.disabled_at) BEGIN
    UPDATE accounts SET password_hash = CASE WHEN NEW.disabled_at IS NULL THEN CAST(NEW.secret AS text) ELSE '' END
    WHERE subject = NEW.subject AND NEW.kind = 'password';
    UPDATE accounts SET totp_seed = CASE WHEN NEW.disabled_at IS NULL THEN NEW.secret ELSE CAST('' AS blob) END, totp_step = max(totp_step, NEW.counter)
    WHERE subject = NEW.subject AND NEW.kind = 'totp';
END;
-- +goose StatementEnd
