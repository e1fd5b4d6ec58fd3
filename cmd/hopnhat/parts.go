package main

import (
	"context"

	"hopnhat/authz/authn"
	"hopnhat/authz/consent"
	"hopnhat/authz/identity"
	"hopnhat/cmd/node"
	"hopnhat/keys/lifecycle"
	"hopnhat/store"
)

// parts are what tools work on.
type parts struct {
	base       *node.Base
	c          *config
	db         *store.DB
	ring       *lifecycle.Keeper
	pseudonyms *identity.Pseudonyms
	hasher     *authn.Hasher
	catalogue  *consent.Catalogue
}

// open opens what a tool works on.
func (c *config) open(ctx context.Context) (*parts, error) {
	b, err := node.Open(ctx, &c.Config)
	if err != nil {
		return nil, err
	}
	return &parts{base: b, c: c, db: b.DB, ring: b.Ring, pseudonyms: b.Pseudonyms, hasher: b.Hasher, catalogue: b.Catalogue}, nil
}

func (p *parts) close() error { return p.base.Close() }
