-- The newest event that gave or ended a consent is found from the consent: a release rests on
-- it. A version of a consent is kept. The release before writes events while the index is made,
-- deletes no version, and uses neither index.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS events_decided;
CREATE INDEX CONCURRENTLY events_decided ON events (consent, id)
    WHERE type IN ('consent.approved', 'consent.withdrawn', 'consent.expired', 'consent.suspended', 'consent.ended');
DROP INDEX CONCURRENTLY IF EXISTS events_agreed;
-- +goose StatementBegin
DO $do$
BEGIN
    CREATE OR REPLACE TRIGGER consent_versions_kept BEFORE DELETE ON consent_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE OR REPLACE TRIGGER consent_versions_all_kept BEFORE TRUNCATE ON consent_versions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
END $do$;
-- +goose StatementEnd
