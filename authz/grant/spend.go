package grant

import (
	"context"
	"errors"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

// SpendWith runs a write together with remembering the client assertion and the DPoP
// proof of the request, in one commit; without them the write is its own commit. write is
// nil where there is nothing to write: a proof alone is then held by this node's memory
// and by the short life of its nonce, and nothing is committed for it.
func SpendWith(ctx context.Context, store interface {
	clientauth.Spender
	Transactions
}, assertion clientauth.Assertion, write func(context.Context) error,
) error {
	switch {
	case len(assertion.Digest) == 0 && write == nil:
		return nil
	case len(assertion.Digest) == 0 && len(assertion.Proof.Digest) == 0:
		return write(ctx)
	}
	return store.Tx(ctx, func(ctx context.Context) error {
		err := store.Spend(ctx, assertion)
		switch {
		case errors.Is(err, clientauth.ErrProofUsed):
			return clientauth.UsedProof()
		case errors.Is(err, authz.ErrConflict):
			return authz.NewError(authz.InvalidClient,
				"client authentication failed; the assertion was used before, make a new one with a new jti")
		case err != nil, write == nil:
			return err
		}
		return write(ctx)
	})
}
