-- failed_sign_ins counts wrong answers at an account in one hour, until the hour is over and
-- they are one event. A row is gone with its event. The release before ignores this table.
-- +goose Up
CREATE TABLE failed_sign_ins (
    subject  text NOT NULL,
    began_at datetime NOT NULL,
    failed   integer NOT NULL,
    PRIMARY KEY (subject, began_at)
);
CREATE INDEX failed_sign_ins_began_at ON failed_sign_ins (began_at);
