-- federated_clients: by which chain a federation vouches for an app (OpenID Federation 1.0
-- §12). The app itself is a row of clients like any other; it is refused from expires_at on.
-- A chain that is renewed changes this row alone. ended_at: the federation withdrew its trust.
-- The release before ignores the table, and takes such an app for a registered one: switch
-- federation_apps on when it runs nowhere any more.
-- +goose Up
CREATE TABLE federated_clients (
    client_id    text PRIMARY KEY REFERENCES clients (id),
    anchor       text NOT NULL CHECK (anchor <> ''),
    superior     text NOT NULL CHECK (superior <> ''),
    issued_at    datetime NOT NULL,
    expires_at   datetime NOT NULL,
    chain        blob NOT NULL CHECK (length(chain) = 32),
    refreshed_at datetime NOT NULL,
    ended_at  datetime
);
