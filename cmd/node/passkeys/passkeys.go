// Package passkeys makes of a node's parts what adds, uses and removes passkeys.
package passkeys

import (
	"context"
	"time"

	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/keys/seal"
	"hopnhat/web"
)

// Parts are those of a node that passkeys need.
type Parts struct {
	Issuer string
	// Province says that this is the provider of a province: there are no passkeys there, since
	// a passkey is bound to the host of the national provider.
	Province bool
	Ring     seal.Deriver
	Store    passkey.Store
	Evidence passkey.Evidence
	Authn    *authn.Authenticator
	// Limit is that of addresses at each way to sign in.
	Limit *authn.Addresses
}

// Make makes them; nil where there are none.
func Make(ctx context.Context, p Parts) (web.Passkeys, error) {
	party, ok := passkey.PartyOf(p.Issuer)
	if !ok || p.Province {
		return nil, nil
	}
	key, err := seal.Derive(ctx, p.Ring, seal.Passkeys)
	if err != nil {
		return nil, err
	}
	return passkey.New(passkey.Options{
		Party: party, Key: key, Store: p.Store, Evidence: p.Evidence, Tickets: p.Authn, Outcomes: &p.Authn.Outcomes, Limit: p.Limit,
		Now: time.Now,
	}), nil
}
