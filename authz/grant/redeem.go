package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

// ErrOver means that no grant is live any more that another one was to continue.
var ErrOver = errors.New("the grant that was to be continued has ended")

// Redeeming is what of a [Store] redeems a code.
type Redeeming interface {
	Spending
	RedeemCode(ctx context.Context, id authz.GrantID, bound authz.Confirmation, at time.Time, once clientauth.Assertion) error
	Supersede(ctx context.Context, g Grant, at time.Time) error
}

// Redeem spends the code of a grant as [Grants.RedeemCode] does and, if it continues another,
// ends that one in the same commit (Grant Management §5.5.2): ErrOver, and neither, where
// that has ended. What came with the code is spent whatever becomes of it.
func Redeem(
	ctx context.Context, store Redeeming, g *Grant, bound authz.Confirmation, at time.Time, once clientauth.Assertion,
) error {
	if g.Continues == "" {
		return store.RedeemCode(ctx, g.ID, bound, at, once)
	}
	return SpendWith(ctx, store, once, func(ctx context.Context) error {
		return store.Tx(ctx, func(ctx context.Context) error {
			over := store.Supersede(ctx, *g, at) // the older grants are locked before the newer
			if over != nil && !errors.Is(over, authz.ErrConflict) {
				return over
			}
			if err := store.RedeemCode(ctx, g.ID, bound, at, clientauth.Assertion{}); err != nil || over == nil {
				return err
			}
			return fmt.Errorf("%w: %w", ErrOver, over)
		})
	})
}
