package grant

import (
	"context"
	"errors"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

// SpendWith runs a write together with remembering the client assertion and the DPoP
// proof of the request, in one commit; without them the write is its own commit. Writes
// that a [Store] has a parameter for spend them by themselves. write is nil where there
// is nothing to write: a proof alone is then held by this node's memory and by the short
// life of its nonce, and nothing is committed for it. If the write refuses the request, what
// came with it is spent all the same, in a commit of its own.
func SpendWith(ctx context.Context, store Spending, assertion clientauth.Assertion, write func(context.Context) error) error {
	switch {
	case len(assertion.Digest) == 0 && write == nil:
		return nil
	case write == nil:
		return clientauth.Refusal(store.Spend(ctx, assertion))
	case len(assertion.Digest) == 0 && len(assertion.Proof.Digest) == 0:
		return write(ctx)
	}
	var used error
	err := store.Tx(ctx, func(ctx context.Context) error {
		if used = store.Spend(ctx, assertion); used != nil {
			return used
		}
		return write(ctx)
	})
	if used != nil {
		return clientauth.Refusal(used)
	}
	if refused(err) { // nothing of the transaction stayed, and what is good once is not given back
		if again := store.Spend(ctx, assertion); again != nil && !errors.Is(again, authz.ErrConflict) {
			return again
		}
	}
	return err
}

// Spending is what spends in a transaction.
type Spending interface {
	clientauth.Spender
	Transactions
}

// refused reports whether an error judges a request: that something did not answer does not.
func refused(err error) bool {
	if err == nil || errors.Is(err, authz.ErrConflict) {
		return err != nil
	}
	code := authz.AsError(err).Code
	return code != authz.ServerError && code != authz.TemporarilyUnavailable
}
