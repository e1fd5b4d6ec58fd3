-- events: what events say of how a person signs in, her links with other providers among it, is found
-- from the person: a sign-in by a link is held against the event that made it. The release before
-- writes events while the index is made, and does not use it.
-- +goose Up
CREATE INDEX events_factors ON events (pseudonym, id) WHERE type = 'account.factor-changed';
