-- A sign-in on this release writes the step of its one-time code to factors and to accounts by
-- one statement, and says in accounts.totp_copied that both have it: no trigger copies it any
-- more, which took a tenth of what a sign-in costs the database. What the release before writes
-- to accounts, which leaves that column as it is and is known by that, goes into factors as before.
-- refuse ends a statement, and so undoes its transaction, for a reason that the program knows: it
-- is sent with the commit then, and nobody waits for its answer before.
-- +goose Up
ALTER TABLE accounts ADD COLUMN totp_copied bigint;
DROP TRIGGER accounts_updated ON accounts;
CREATE TRIGGER accounts_updated AFTER UPDATE OF password_hash, totp_seed, totp_step ON accounts
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND ((NEW.totp_step IS DISTINCT FROM OLD.totp_step AND NEW.totp_copied IS NOT DISTINCT FROM OLD.totp_copied)
        OR (OLD.password_hash, OLD.totp_seed) IS DISTINCT FROM (NEW.password_hash, NEW.totp_seed)))
    EXECUTE FUNCTION accounts_into_factors();
DROP TRIGGER factors_updated ON factors;
CREATE TRIGGER factors_updated AFTER UPDATE OF secret, disabled_at ON factors
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND NEW.kind IN ('password', 'totp')
        AND (OLD.secret, OLD.disabled_at) IS DISTINCT FROM (NEW.secret, NEW.disabled_at))
    EXECUTE FUNCTION factors_into_accounts();
-- +goose StatementBegin
CREATE FUNCTION refuse(why text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', why USING ERRCODE = 'HN001';
END $$;
-- +goose StatementEnd
