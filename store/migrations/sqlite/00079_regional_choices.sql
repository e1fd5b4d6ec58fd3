-- regional_choices: people who chose services at the provider of a province, which is handed
-- what they sign in with. person is by what that province knows them. A choice that was
-- withdrawn is no row; its events tell of it. The release before ignores the table.
-- +goose Up
CREATE TABLE regional_choices (
    provider  text NOT NULL,
    person    text NOT NULL,
    subject   text NOT NULL REFERENCES accounts (subject),
    chosen_at datetime NOT NULL,
    handed_at datetime,
    PRIMARY KEY (provider, person)
);
CREATE UNIQUE INDEX regional_choices_subject ON regional_choices (subject, provider);
-- regional_sectors: whether pseudonyms in a sector below the domains of a province are derived
-- under the key of the province, as it was decided once, or under the national one.
CREATE TABLE regional_sectors (
    sector     text PRIMARY KEY,
    regional   boolean NOT NULL,
    decided_at datetime NOT NULL
);
