package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/outbound"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
)

// statementIssuers are those who may make software statements, if any.
func (c *config) statementIssuers() (registration.Issuers, error) {
	if c.StatementIssuers == "" {
		return registration.Issuers{}, nil
	}
	raw, err := os.ReadFile(c.StatementIssuers)
	if err != nil {
		return nil, fmt.Errorf("reading registration_statement_issuers: %w", err)
	}
	issuers, err := registration.ParseIssuers(raw)
	if err != nil {
		return nil, fmt.Errorf("reading registration_statement_issuers %s: %w", c.StatementIssuers, err)
	}
	return issuers, nil
}

// registering makes the registration endpoint; nil when apps do not register
// themselves here.
func (p *parts) registering() (*endpoint.Endpoint, error) {
	if p.c.Registration == "off" {
		return nil, nil
	}
	issuers, err := p.c.statementIssuers()
	if err != nil {
		return nil, err
	}
	open := p.c.Registration == "open"
	if open {
		slog.Warn("registration is open: anybody who reaches this server can register an app", "issuer", p.c.Issuer)
	}
	return endpoint.New(endpoint.Options{
		Issuer: p.c.Issuer, Open: open, Rules: p.rules(), Statements: issuers, Registrations: p.db, Evidence: p.recorder,
		Fetcher: outbound.New(p.c.loopbackIssuer()), Changed: p.directory.Forget,
		Addresses: authn.NewAddresses(p.c.RegistrationBurst, 3*time.Second, time.Now), Site: p.c.Site, Now: time.Now,
	}), nil
}

// verifiedHere is the word of the operator who runs this tool.
func verifiedHere(now time.Time) authz.Verification {
	return authz.Verification{By: "operator:" + atTheKeyboard(), At: now.UTC().Truncate(time.Second)}
}

func (p *parts) rules() registration.Rules {
	return registration.Rules{Catalogue: p.catalogue, Loopback: p.c.loopbackIssuer(), Signs: fields(p.c.SigningAlgs)}
}

// register saves a client beside those known, or in the place of the one with its
// id, whose secret, state and unsaid algorithm stay. For secret methods it makes a secret where
// there is none, and returns it.
func (p *parts) register(ctx context.Context, m registration.Metadata, known []registration.Known) (c *authz.Client, secret string, err error) {
	rules := p.rules()
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
