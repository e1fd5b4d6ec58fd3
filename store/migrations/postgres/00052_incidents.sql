-- incidents: what reconciliation found wrong in the evidence, one row a finding however
-- often it is found again. Nobody deletes one: it is closed by two people, of whom the
-- second is not the first. reconcilers: how far the look over a site's evidence has come.
-- The release before ignores both.
-- +goose Up
CREATE TABLE incidents (
    id                text PRIMARY KEY,
    key               text NOT NULL,
    kind              text NOT NULL,
    origin            text NOT NULL DEFAULT '',
    idx               bigint NOT NULL DEFAULT 0,
    event_id          text NOT NULL DEFAULT '',
    pseudonym         text NOT NULL DEFAULT '',
    object            text NOT NULL DEFAULT '',
    number            bigint NOT NULL DEFAULT 0,
    detail            text NOT NULL DEFAULT '',
    node              text NOT NULL,
    found_at          timestamptz NOT NULL,
    seen_at           timestamptz NOT NULL,
    state             text NOT NULL CHECK (state IN ('open', 'proposed', 'closed')),
    proposed_by       text NOT NULL DEFAULT '',
    proposed_role     text NOT NULL DEFAULT '',
    proposed_reason   text NOT NULL DEFAULT '',
    proposed_at       timestamptz,
    closed_by         text NOT NULL DEFAULT '',
    closed_role       text NOT NULL DEFAULT '',
    closed_reason     text NOT NULL DEFAULT '',
    closed_at         timestamptz,
    CHECK ((state = 'open') = (proposed_by = '')),
    CHECK ((state = 'closed') = (closed_by <> '')),
    CHECK (closed_by = '' OR closed_by <> proposed_by)
);
CREATE UNIQUE INDEX incidents_open_key ON incidents (key) WHERE state <> 'closed';
CREATE INDEX incidents_key ON incidents (key, id);
CREATE INDEX incidents_event ON incidents (event_id) WHERE state <> 'closed' AND event_id <> '';
CREATE INDEX incidents_pseudonym ON incidents (pseudonym) WHERE state <> 'closed' AND pseudonym <> '';
CREATE TABLE reconcilers (
    site        text PRIMARY KEY,
    cursor      text NOT NULL,
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz,
    seconds     bigint NOT NULL DEFAULT 0
);
