package token

import (
	"context"

	"hopnhat/authz"
)

// ActsFor is whom the person of a token acts for, as the client knows the represented,
// and her mandate. No token of a person who acts for herself has it.
type ActsFor struct {
	Subject authz.Pairwise  `json:"sub"`
	Kind    authz.Kind      `json:"kind"`
	Mandate authz.MandateID `json:"mandate"`
}

// NewActsFor is whom a principal acts for, as the apps of a sector know the represented;
// nil for herself.
func NewActsFor(ctx context.Context, names Pseudonyms, sector string, p authz.Principal) (*ActsFor, error) {
	if p.ForHerself() {
		return nil, nil
	}
	sub, err := names.Pairwise(ctx, sector, p.For.Subject)
	if err != nil {
		return nil, KeysError(err)
	}
	return &ActsFor{Subject: sub, Kind: p.For.Kind, Mandate: p.Mandate}, nil
}
