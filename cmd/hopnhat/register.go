package main

import (
	"context"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
)

// register saves a client; for secret methods it makes a secret and returns it.
func (p *parts) register(ctx context.Context, m registration.Metadata) (c *authz.Client, secret string, err error) {
	c, err = m.Client(p.catalogue)
	if err != nil {
		return nil, "", fmt.Errorf("client %q: %w", m.ClientID, err)
	}
	c.CreatedAt = time.Now().UTC()
	if c.Method == authz.ClientSecretBasic || c.Method == authz.ClientSecretPost {
		secret = authz.NewSecret()
		c.SecretHash = authz.HashSecret(secret)
	}
	return c, secret, p.db.SaveClient(ctx, c)
}
