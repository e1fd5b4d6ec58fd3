package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/grant"
	"hopnhat/authz/request"
)

// Released is what a register said of the person, and what the decision knew of her
// account.
type Released struct {
	Values  map[authz.AttributeID]any
	Kind    authz.Kind
	Account authz.AccountLevel
	Proofed time.Time
}

// Releases is the broker: it decides, records, logs, and only then reads out
// (docs/decisions.md D8). ok is false when it decided against; that is recorded too, and the
// claims are left out. After an error nothing may be answered.
type Releases interface {
	Release(ctx context.Context, d authz.Demand) (r Released, ok bool, err error)
}

// ForUserInfo are the claims asked for at UserInfo by the scopes of a token and
// by the claims parameter of its grant (OpenID Connect Core §5.4, §5.5).
func ForUserInfo(g *grant.Grant, scope []string) claims.Members {
	var requested claims.Members
	if g.Request.Claims != nil {
		requested = g.Request.Claims.UserInfo
	}
	return requested.WithScopes(scope...)
}

// ForIDToken are those asked for in the ID token. Scopes put claims there only
// where no access token is issued (OpenID Connect Core §5.4).
func ForIDToken(r request.Authorization) claims.Members {
	var requested claims.Members
	if r.Claims != nil {
		requested = r.Claims.IDToken
	}
	if r.ResponseType == "id_token" {
		return requested.WithScopes(r.Scope...)
	}
	return requested
}

// PersonClaims has claims about the person released.
type PersonClaims struct {
	// Releases lets data about the person go; nil offers none.
	Releases Releases
	Now      func() time.Time
}

// InFrontChannel reports whether an ID token that passes through the browser carries
// claims about the person: only where no code comes with it, since the ID token of
// the token endpoint is the better place (OpenID Connect Core §3.3.3.6 lets the
// front channel have fewer).
func (p *PersonClaims) InFrontChannel(r request.Authorization) bool {
	return p.Releases != nil && r.HasIDToken() && !r.HasCode() && len(ForIDToken(r).ForBearer().Attributes()) > 0
}

// Of answers claims about the person. Each register's data leave through the
// broker, for the first permission of the grant that has them; what is not granted,
// or refused now, is left out. Nothing is asked of the broker when nothing about
// the person is asked for: such an answer costs no commit.
func (p *PersonClaims) Of(ctx context.Context, g *grant.Grant, requested claims.Members, requestID string,
	redeeming bool,
) (map[string]any, error) {
	wanted := requested.Attributes()
	if len(wanted) == 0 || p.Releases == nil {
		return nil, nil
	}
	source := claims.Source{Values: map[authz.AttributeID]any{}}
	for _, granted := range g.Details {
		var here []authz.AttributeID
		wanted = slices.DeleteFunc(wanted, func(id authz.AttributeID) bool {
			if !slices.Contains(granted.Attributes, id) {
				return false
			}
			here = append(here, id)
			return true
		})
		if len(here) == 0 {
			continue
		}
		released, ok, err := p.Releases.Release(ctx, authz.Demand{
			Grant: g.ID, Client: g.ClientID, Registry: granted.Registry, Purpose: granted.Purpose, Attributes: here,
			RequestID: requestID, Redeeming: redeeming,
		})
		if err != nil {
			return nil, releaseError(err)
		}
		if !ok {
			continue
		}
		maps.Copy(source.Values, released.Values)
		source.Kind, source.Account, source.Proofed = released.Kind, released.Account, released.Proofed
	}
	if len(source.Values) == 0 {
		return nil, nil
	}
	return requested.Answer(source, p.Now()), nil
}

// releaseError says that what is in doubt is not told (docs/decisions.md D8).
func releaseError(err error) error {
	if errors.Is(err, authz.ErrUnavailable) {
		return &authz.Error{
			Code: authz.TemporarilyUnavailable, RetryAfter: 2 * time.Second, Cause: err,
			Description: "data about the person cannot be released at the moment; send the same request again",
		}
	}
	return authz.AsError(err)
}

// WithClaims adds claims about the person to a token or an answer. They cannot take
// the place of what is there: their names are of the table of claims.
func WithClaims(base any, personClaims map[string]any) (any, error) {
	if len(personClaims) == 0 {
		return base, nil
	}
	raw, err := json.Marshal(base)
	if err != nil {
		return nil, fmt.Errorf("encoding a token's own claims: %w", err)
	}
	all := map[string]any{}
	var claimsOfBase map[string]json.RawMessage
	if err := json.Unmarshal(raw, &claimsOfBase); err != nil {
		return nil, fmt.Errorf("encoding a token's own claims: %w", err)
	}
	maps.Copy(all, personClaims)
	for name, value := range claimsOfBase {
		all[name] = value
	}
	return all, nil
}

// Tellable keeps of the claims that are asked for those that may be given for a token
// with this binding.
func Tellable(requested claims.Members, bound authz.Confirmation) claims.Members {
	if bound.Bound() {
		return requested
	}
	return requested.ForBearer()
}
