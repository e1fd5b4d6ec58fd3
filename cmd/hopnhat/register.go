package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
)

// verifiedHere is the word of the operator who runs this tool.
func verifiedHere(now time.Time) authz.Verification {
	return authz.Verification{By: "operator:" + atTheKeyboard(), At: now.UTC().Truncate(time.Second)}
}

// register saves a client beside those known, or in the place of the one with its
// id, whose secret, state and unsaid algorithm stay. For secret methods it makes a secret where
// there is none, and returns it.
func (p *parts) register(ctx context.Context, m registration.Metadata, known []registration.Known) (c *authz.Client, secret string, err error) {
	rules := p.base.RegistrationRules()
	rules.Known = known
	if c, err = m.Client(rules); err != nil {
		return nil, "", fmt.Errorf("client %q: %w", m.ClientID, err)
	}
	c.CreatedAt = time.Now().UTC()
	c.Verified = verifiedHere(c.CreatedAt)
	before, err := p.db.Client(ctx, c.ID)
	switch {
	case errors.Is(err, authz.ErrNotFound):
	case err != nil:
		return nil, "", err
	case !before.Ended.IsZero():
		return nil, "", fmt.Errorf("client %q was deleted at %s, which is for good: choose another id", c.ID, before.Ended.Format(time.RFC3339))
	default:
		c.CreatedAt, c.Disabled = before.CreatedAt, before.Disabled
		if m.IDTokenAlg == "" && before.Profile == c.Profile {
			c.SigningAlg = before.SigningAlg // what its library was told to expect
		}
	}
	if c.Method == authz.ClientSecretBasic || c.Method == authz.ClientSecretPost {
		if before != nil && len(before.SecretHash) > 0 {
			c.SecretHash, c.SecretExpires = before.SecretHash, before.SecretExpires
		} else {
			secret = authz.NewSecret()
			c.SecretHash = authz.HashSecret(secret)
		}
	}
	return c, secret, p.db.SaveClient(ctx, c)
}
