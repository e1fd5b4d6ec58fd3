-- The newest event that gave or ended a consent is found from the consent: a release rests on
-- it. A version of a consent is kept. The release before deletes none.
-- +goose Up
CREATE INDEX events_decided ON events (consent, id)
    WHERE type IN ('consent.approved', 'consent.withdrawn', 'consent.expired', 'consent.suspended', 'consent.ended');
DROP INDEX events_agreed;
-- +goose StatementBegin
CREATE TRIGGER consent_versions_kept BEFORE DELETE ON consent_versions
BEGIN SELECT RAISE(ABORT, 'evidence is added to and never changed or deleted: DELETE of consent_versions refused'); END;
-- +goose StatementEnd
