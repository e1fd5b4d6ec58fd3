-- keyring: which keyring the database is of (keys/lifecycle), so that a program
-- with other keys is refused before it announces or writes anything. The id is made
-- of secrets and tells nothing of them.
-- The release before ignores the table; the first node of this one fills it.
-- +goose Up
CREATE TABLE keyring (
    one         integer PRIMARY KEY CHECK (one = 1),
    id          text NOT NULL,
    recorded_at datetime NOT NULL
);
