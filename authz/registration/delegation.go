package registration

import (
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/delegation"
	"hopnhat/authz/resource"
	"hopnhat/keys/jose"
)

// Bounds of what one app may be allowed.
const (
	maxResources = 64
	maxRules     = 32
	maxIssuers   = 8
	// maxRecipients is what a person can read.
	maxRecipients = 8
)

// checkDelegation checks who the app may act for, and for which resources. That
// the resources are registered is asked when a token is made: they come and go
// without the app.
func checkDelegation(_ Metadata, c *authz.Client, _ authz.Profile, _ Rules) error {
	if len(c.Resources) > maxResources || len(c.TokenExchange) > maxRules || len(c.TrustedIssuers) > maxIssuers {
		return refuse("resources", "at most %d resources, %d token_exchange rules and %d trusted_issuers", maxResources, maxRules, maxIssuers)
	}
	for _, r := range c.Resources {
		if err := resource.CheckID(r); err != nil {
			return refuse("resources", "%v", err)
		}
	}
	for _, rule := range c.TokenExchange {
		if err := checkRule(rule); err != nil {
			return err
		}
	}
	if len(c.TokenExchange) > 0 && !c.AllowsGrant(authz.GrantTokenExchange) {
		return refuse("token_exchange", "grant_types must have %s", authz.GrantTokenExchange)
	}
	if len(c.TrustedIssuers) > 0 && !c.AllowsGrant(authz.GrantJWTBearer) && !c.AllowsGrant(authz.GrantTokenExchange) {
		return refuse("trusted_issuers", "grant_types must have %s or %s", authz.GrantJWTBearer, authz.GrantTokenExchange)
	}
	for _, d := range c.Declarations {
		if len(d.Recipients) > maxRecipients || d.MaxAuthAge < 0 || slices.Contains(d.Recipients, c.ID) {
			return refuse("declarations", "recipients are at most %d other apps, and max_auth_age is no negative number", maxRecipients)
		}
	}
	for _, t := range c.TrustedIssuers {
		if err := delegation.CheckTrust(t); err != nil {
			return refuse("trusted_issuers", "%v", err)
		}
		if set, err := jose.ParseSet(t.JWKS); err != nil || set.Len() == 0 {
			return refuse("trusted_issuers", "issuer %q needs jwks with public keys", t.Issuer)
		}
	}
	return nil
}

func checkRule(rule authz.ExchangeRule) error {
	switch {
	case len(rule.Clients) == 0 || len(rule.Audience) == 0:
		return refuse("token_exchange", "a rule names clients and audience")
	case len(rule.SubjectAudience) == 0 && !slices.Equal(rule.SubjectTokenTypes, []string{authz.TokenTypeID}):
		return refuse("token_exchange", "a rule for access tokens names their subject_audience")
	case len(rule.Clients) > maxResources || len(rule.Audience) > maxResources || len(rule.SubjectAudience) > maxResources ||
		len(rule.Scope) > maxResources:
		return refuse("token_exchange", "a rule has more than %d members of one kind", maxResources)
	}
	for _, kind := range rule.SubjectTokenTypes {
		if kind != authz.TokenTypeAccess && kind != authz.TokenTypeID {
			return refuse("token_exchange", "subject_token_types are %s and %s", authz.TokenTypeAccess, authz.TokenTypeID)
		}
	}
	return nil
}
