package store_test

import (
	"context"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/authz/grant/granttest"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// planted stores grants with the session and the account that they need.
type planted struct{ *store.DB }

func (p planted) InsertGrant(ctx context.Context, g grant.Grant, answers authz.AuthorizationID) error {
	return p.PlantAnswer(ctx, g, answers)
}

// TestGrantPromises: the database keeps what a grant.Store promises.
func TestGrantPromises(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) { granttest.Run(t, planted{db}) })
}
