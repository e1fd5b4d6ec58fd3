-- regional_changes: of whom a province has to be told anew: a row for each choice that was ever made,
-- with the version at which it, or what is handed over of the person, changed last. Triggers take the
-- version away with each change, whoever makes it; the centre gives the rows without one the next
-- versions under the row of regional_heads, when it answers, so a change that is committed late has a
-- later version. At the province regional_feeds has the version up to which it was told everything,
-- and until when that is good; generation changes where something was ended here since.
-- The release before changes accounts and factors, of which its transactions tell by the triggers.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS regional_changes (
    provider text NOT NULL,
    person   text NOT NULL,
    version  bigint CHECK (version > 0),
    PRIMARY KEY (provider, person)
);
-- +goose StatementEnd
CREATE UNIQUE INDEX IF NOT EXISTS regional_changes_version ON regional_changes (provider, version);
CREATE INDEX IF NOT EXISTS regional_changes_none ON regional_changes (provider, person) WHERE version IS NULL;
CREATE TABLE IF NOT EXISTS regional_heads (
    provider text PRIMARY KEY,
    version  bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS regional_feeds (
    centre        text PRIMARY KEY,
    version       bigint NOT NULL,
    generation    bigint NOT NULL,
    renewed_until timestamptz NOT NULL
);
ALTER TABLE regional_people ADD COLUMN IF NOT EXISTS version bigint NOT NULL DEFAULT 0;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION regional_person_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regional_changes (provider, person)
    SELECT provider, person FROM regional_choices WHERE subject = CASE TG_OP WHEN 'DELETE' THEN OLD.subject ELSE NEW.subject END ORDER BY provider
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION regional_choice_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regional_changes (provider, person)
    SELECT CASE TG_OP WHEN 'DELETE' THEN OLD.provider ELSE NEW.provider END, CASE TG_OP WHEN 'DELETE' THEN OLD.person ELSE NEW.person END
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER regional_choice_changed AFTER INSERT OR DELETE ON regional_choices
        FOR EACH ROW EXECUTE FUNCTION regional_choice_changed();
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER regional_account_changed AFTER UPDATE OF kind, account_level, locked_at ON accounts
        FOR EACH ROW EXECUTE FUNCTION regional_person_changed();
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER regional_factor_changed AFTER INSERT OR DELETE OR UPDATE OF secret, disabled_at ON factors
        FOR EACH ROW EXECUTE FUNCTION regional_person_changed();
END $do$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
BEGIN
    SET LOCAL lock_timeout = '3s';
    CREATE OR REPLACE TRIGGER regional_number_changed AFTER INSERT OR DELETE OR UPDATE ON identifiers
        FOR EACH ROW EXECUTE FUNCTION regional_person_changed();
END $do$;
-- +goose StatementEnd
INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices ON CONFLICT DO NOTHING;
