-- The event by which a consent was given is found from the consent: a release names it.
-- +goose Up
CREATE INDEX events_agreed ON events (consent, id) WHERE type = 'consent.approved';
