-- regional_names: by what a province knows those who ever chose it, also after they withdrew, so
-- that its events lead to them. regional_logs: up to where the entries of a shard of a province's log
-- are held, with the root of these. regional_events: the events about persons among them, and what
-- the centre had taken from a person before (conflict); they are added and never changed. At a
-- province regional_people.pseudonym is by what its events name a person; none before it was looked
-- for. The release before ignores all of it.
-- +goose Up
CREATE TABLE regional_names (
    provider text NOT NULL,
    person   text NOT NULL,
    subject  text NOT NULL REFERENCES accounts (subject),
    PRIMARY KEY (provider, person)
);
INSERT INTO regional_names (provider, person, subject) SELECT provider, person, subject FROM regional_choices;
CREATE TABLE regional_logs (
    provider  text NOT NULL,
    origin    text NOT NULL,
    size      integer NOT NULL,
    root      blob NOT NULL CHECK (length(root) = 32),
    vkey      text NOT NULL,
    joined_at datetime NOT NULL,
    PRIMARY KEY (provider, origin)
);
CREATE TABLE regional_events (
    provider       text NOT NULL,
    origin         text NOT NULL,
    idx            integer NOT NULL,
    event_id       text NOT NULL,
    person         text NOT NULL,
    subject        text NOT NULL,
    type           text NOT NULL,
    decided_at     datetime NOT NULL,
    canonical      text NOT NULL,
    salt           blob NOT NULL,
    conflict       text NOT NULL CHECK (conflict IN ('', 'locked', 'withdrawn')),
    conflict_since datetime,
    joined_at      datetime NOT NULL,
    PRIMARY KEY (provider, origin, idx)
);
CREATE INDEX regional_events_conflict ON regional_events (decided_at) WHERE conflict <> '';
CREATE INDEX regional_feeds_renewed ON regional_feeds (renewed_until);
ALTER TABLE regional_people ADD COLUMN pseudonym text;
CREATE INDEX regional_people_pseudonym ON regional_people (pseudonym);
