-- federation_subordinates: entities below this one in the federation, and how far their
-- enrolment is; what was agreed stands in record. It comes into force by two people.
-- federation_marks: trust marks that were granted. Nobody deletes a row: what ended stays
-- to be seen. The release before ignores both.
-- +goose Up
CREATE TABLE federation_subordinates (
    entity_id   text PRIMARY KEY,
    state       text NOT NULL CHECK (state IN ('proposed', 'active', 'suspended', 'revoked')),
    proposed_by text NOT NULL DEFAULT '',
    approved_by text NOT NULL DEFAULT '',
    record      jsonb NOT NULL,
    revision    bigint NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK (state <> 'active' OR approved_by <> ''),
    CHECK (approved_by = '' OR approved_by <> proposed_by)
);
CREATE TABLE federation_marks (
    mark_type   text NOT NULL,
    entity_id   text NOT NULL,
    granted_at  timestamptz NOT NULL,
    until       timestamptz,
    revoked_at  timestamptz,
    record      jsonb NOT NULL,
    revision    bigint NOT NULL,
    PRIMARY KEY (mark_type, entity_id)
);
CREATE INDEX federation_marks_entity ON federation_marks (entity_id) WHERE revoked_at IS NULL;
