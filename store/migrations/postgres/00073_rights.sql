-- held: a column that takes no value. PostgreSQL lets a role lock a row that may update a column
-- of it; with the right to update this one a role holds a row and changes nothing. The release
-- before reads all columns of grants by a prepared statement, which a new column would make fail:
-- there the column is created_at, which a trigger keeps as it is.
-- events_written: evidence of a release is written by who may count one (release_uses), evidence
-- of a consent by who may add a version of one (consent_versions). A role that has all tables has
-- both, so the release before goes on.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE accounts ADD COLUMN IF NOT EXISTS held smallint, DROP CONSTRAINT IF EXISTS accounts_held,
        ADD CONSTRAINT accounts_held CHECK (held IS NULL) NOT VALID;
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE consents ADD COLUMN IF NOT EXISTS held smallint, DROP CONSTRAINT IF EXISTS consents_held,
        ADD CONSTRAINT consents_held CHECK (held IS NULL) NOT VALID;
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE sessions ADD COLUMN IF NOT EXISTS held smallint, DROP CONSTRAINT IF EXISTS sessions_held,
        ADD CONSTRAINT sessions_held CHECK (held IS NULL) NOT VALID;
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    ALTER TABLE log_shards ADD COLUMN IF NOT EXISTS held smallint, DROP CONSTRAINT IF EXISTS log_shards_held,
        ADD CONSTRAINT log_shards_held CHECK (held IS NULL) NOT VALID;
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER grants_begun BEFORE UPDATE OF created_at ON grants FOR EACH ROW
        WHEN (OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION refuse_change();
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refuse_writer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'permission denied: % writes no evidence of %', current_user, NEW.type USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER events_written BEFORE INSERT ON events FOR EACH ROW
        WHEN (NEW.type LIKE 'release.%' AND NOT has_table_privilege('release_uses'::regclass, 'INSERT')
            OR NEW.type LIKE 'consent.%' AND NOT has_table_privilege('consent_versions'::regclass, 'INSERT'))
        EXECUTE FUNCTION refuse_writer();
END $do$;
-- +goose StatementEnd
