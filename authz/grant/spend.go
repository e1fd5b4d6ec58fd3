package grant

import (
	"context"

	"hopnhat/authz/clientauth"
)

// SpendWith runs a write together with remembering the client assertion and the DPoP
// proof of the request, in one commit; without them the write is its own commit. Writes
// that a [Store] has a parameter for spend them by themselves. write is nil where there
// is nothing to write: a proof alone is then held by this node's memory and by the short
// life of its nonce, and nothing is committed for it.
func SpendWith(ctx context.Context, store interface {
	clientauth.Spender
	Transactions
}, assertion clientauth.Assertion, write func(context.Context) error,
) error {
	switch {
	case len(assertion.Digest) == 0 && write == nil:
		return nil
	case write == nil:
		return clientauth.Refusal(store.Spend(ctx, assertion))
	case len(assertion.Digest) == 0 && len(assertion.Proof.Digest) == 0:
		return write(ctx)
	}
	return store.Tx(ctx, func(ctx context.Context) error {
		if err := clientauth.Refusal(store.Spend(ctx, assertion)); err != nil {
			return err
		}
		return write(ctx)
	})
}
