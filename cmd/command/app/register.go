package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/registration"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/node"
)

// readMetadata reads a file of apps.
func readMetadata(file string) ([]registration.Metadata, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the clients: %w", err)
	}
	list, err := registration.ParseYAML(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the clients of %s: %w", file, err)
	}
	return list, nil
}

// Register saves a client beside those known, or in the place of the one with its id, whose
// secret and state stay, and its signing algorithm where m names none. For secret methods
// it makes a secret where there is none, and returns it. The change is evidence, as every
// change of an app is: one that no event explains is an incident.
func Register(
	ctx context.Context, b *node.Base, m registration.Metadata, known []registration.Known,
) (c *authz.Client, secret string, err error) {
	err = tool.AdministerAll(ctx, b, func(ctx context.Context) ([]audit.Act, error) {
		before, err := b.DB.Client(ctx, authz.ClientID(m.ClientID))
		if err != nil && !errors.Is(err, authz.ErrNotFound) {
			return nil, err
		}
		if c, secret, err = register(ctx, b, m, known); err != nil {
			return nil, err
		}
		return registration.Acts(audit.ClientRegistered, before, c)
	})
	return c, secret, err
}

func register(
	ctx context.Context, b *node.Base, m registration.Metadata, known []registration.Known,
) (c *authz.Client, secret string, err error) {
	rules := b.RegistrationRules()
	rules.Known = known
	if c, err = m.Client(rules); err != nil {
		return nil, "", fmt.Errorf("client %q: %w", m.ClientID, err)
	}
	c.CreatedAt = time.Now().UTC()
	c.Verified = vouched(c.CreatedAt)
	before, err := b.DB.Client(ctx, c.ID)
	switch {
	case errors.Is(err, authz.ErrNotFound):
	case err != nil:
		return nil, "", err
	case !before.Ended.IsZero():
		return nil, "", fmt.Errorf("client %q was deleted at %s, which is for good: choose another id",
			c.ID, before.Ended.Format(time.RFC3339))
	case before.Membership.Federated():
		return nil, "", fmt.Errorf("client %q came by the federation of %s, whose chain says what it is: change what it publishes, or choose another id",
			c.ID, before.Membership.Anchor)
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
	return c, secret, b.DB.SaveClient(ctx, c)
}
