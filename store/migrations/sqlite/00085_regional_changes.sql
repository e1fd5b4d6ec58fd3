-- regional_changes: of whom a province has to be told anew: a row for each choice that was ever made,
-- with the version at which it, or what is handed over of the person, changed last. Triggers take the
-- version away with each change, whoever makes it; the centre gives the rows without one the next
-- versions under the row of regional_heads, when it answers, so a change that is committed late has a
-- later version. At the province regional_feeds has the version up to which it was told everything,
-- and until when that is good; generation changes where something was ended here since.
-- The release before changes accounts and factors, of which its transactions tell by the triggers.
-- +goose Up
CREATE TABLE regional_changes (
    provider text NOT NULL,
    person   text NOT NULL,
    version  integer CHECK (version > 0),
    PRIMARY KEY (provider, person)
);
CREATE UNIQUE INDEX regional_changes_version ON regional_changes (provider, version);
CREATE INDEX regional_changes_none ON regional_changes (provider, person) WHERE version IS NULL;
CREATE TABLE regional_heads (
    provider text PRIMARY KEY,
    version  integer NOT NULL
);
CREATE TABLE regional_feeds (
    centre        text PRIMARY KEY,
    version       integer NOT NULL,
    generation    integer NOT NULL,
    renewed_until datetime NOT NULL
);
ALTER TABLE regional_people ADD COLUMN version integer NOT NULL DEFAULT 0;

-- +goose StatementBegin
CREATE TRIGGER regional_choice_inserted AFTER INSERT ON regional_choices BEGIN
    INSERT INTO regional_changes (provider, person) VALUES (NEW.provider, NEW.person)
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_choice_deleted AFTER DELETE ON regional_choices BEGIN
    INSERT INTO regional_changes (provider, person) VALUES (OLD.provider, OLD.person)
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_account_changed AFTER UPDATE OF kind, account_level, locked_at ON accounts BEGIN
    INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices WHERE subject = NEW.subject
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_factor_inserted AFTER INSERT ON factors BEGIN
    INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices WHERE subject = NEW.subject
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_factor_updated AFTER UPDATE OF secret, disabled_at ON factors BEGIN
    INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices WHERE subject = NEW.subject
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_factor_deleted AFTER DELETE ON factors BEGIN
    INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices WHERE subject = OLD.subject
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_number_inserted AFTER INSERT ON identifiers BEGIN
    INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices WHERE subject = NEW.subject
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_number_updated AFTER UPDATE ON identifiers BEGIN
    INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices WHERE subject = NEW.subject
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER regional_number_deleted AFTER DELETE ON identifiers BEGIN
    INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices WHERE subject = OLD.subject
    ON CONFLICT (provider, person) DO UPDATE SET version = NULL;
END;
-- +goose StatementEnd

INSERT INTO regional_changes (provider, person) SELECT provider, person FROM regional_choices;
