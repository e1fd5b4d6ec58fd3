-- events: evidence. What is searched has a column; the canonical bytes and their
-- salt are what the log's leaf commits to. log_index is noted after the leaf is
-- in the log; rows without it are found again at the next start. Ids are
-- UUIDv7, so their order is the order of time. visible_from is when the person
-- may see the event in her own history, null for never.
-- +goose Up
CREATE TABLE events (
    id           text PRIMARY KEY,
    at           timestamptz NOT NULL,
    type         text NOT NULL,
    client_id    text NOT NULL,
    pseudonym    text NOT NULL,
    purpose      text NOT NULL,
    registry     text NOT NULL,
    permit       boolean NOT NULL,
    consent      text NOT NULL,
    visible_from timestamptz,
    canonical    text NOT NULL,
    salt         bytea NOT NULL,
    log_index    bigint,
    log_origin   text NOT NULL DEFAULT ''
);
CREATE INDEX events_pseudonym ON events (pseudonym, id);
CREATE INDEX events_client ON events (client_id, id);
CREATE INDEX events_purpose ON events (purpose, id);
CREATE INDEX events_type ON events (type, id);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_consent ON events (consent, id) WHERE consent <> '';
CREATE INDEX events_unlogged ON events (id) WHERE log_index IS NULL;
CREATE INDEX events_log_place ON events (log_origin, log_index) WHERE log_index IS NOT NULL;
