-- Who vouches for an app's agency is kept in its record. Apps that operators added
-- are theirs to vouch for, those that registered themselves with an initial access
-- token the officer's who gave it, others nobody's. The release before ignores the
-- member, and a registration that it changes loses it: hopnhat client verify.
-- +goose Up
UPDATE clients SET record = jsonb_set(record, '{Verified}', jsonb_build_object(
    'By', COALESCE((SELECT 'initial-access-token:' || r.initial_id FROM registrations r WHERE r.client_id = clients.id), 'operator'),
    'At', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))
WHERE NOT EXISTS (SELECT 1 FROM registrations r WHERE r.client_id = clients.id AND r.initial_id IS NULL);
