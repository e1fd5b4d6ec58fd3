package token

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/delegation"
)

// Access is a checked access token: its signature, its time, its audience, and
// that the caller holds the key it is bound to. It is not yet asked whether its
// grant still lives.
type Access struct {
	ID       string
	Grant    authz.GrantID
	ClientID authz.ClientID
	Subject  authz.Pairwise
	Scope    []string
	Audience []string
	ACR      string
	AuthTime time.Time
	Bound    authz.Confirmation
	// Act is who acts, where the token was exchanged (RFC 8693 §4.1).
	Act      *delegation.Actor
	IssuedAt time.Time
	Expires  time.Time
	// NextNonce is a fresh DPoP nonce for the answer, or empty.
	NextNonce string
}

// Guard checks the tokens that are presented at our own resources.
type Guard struct {
	*Verifier
	*Possession
}

// Presented checks the token a request presents at one of our resources: scheme
// and token (RFC 6750 §2.1, RFC 9449 §7.1), audience (RFC 9068 §4) and proof.
// target is the URL of the resource without query. Errors are *authz.Error.
func (g *Guard) Presented(r *http.Request, token, audience, target string) (Access, error) {
	claims, err := g.Access(token)
	if err != nil {
		return Access{}, err
	}
	if !slices.Contains(claims.Audience, audience) {
		return Access{}, authz.NewError(authz.InvalidToken, "the access token is for another audience")
	}
	a := Access{
		ID: claims.ID, Grant: claims.Grant, ClientID: claims.ClientID, Subject: authz.Pairwise(claims.Subject),
		Scope: strings.Fields(claims.Scope), Audience: claims.Audience, ACR: claims.ACR,
		Bound: claims.Confirm, Act: claims.Act, AuthTime: time.Unix(claims.AuthTime, 0).UTC(), IssuedAt: time.Unix(claims.IssuedAt,
			0).UTC(), Expires: time.Unix(claims.Expires, 0).UTC(),
	}
	a.NextNonce, err = g.Check(r, a.ClientID, a.Bound, token, target)
	return a, err
}

// PresentedToken reads the one access token of a request's Authorization header.
func PresentedToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	present := authz.NewError(authz.InvalidToken, "present one access token in the Authorization header, with scheme DPoP or Bearer")
	switch len(headers) {
	case 0:
		return "", present.Because(authz.ErrNoToken)
	case 1:
	default:
		return "", present
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "DPoP") && !strings.EqualFold(scheme, "Bearer") {
		return "", present.Because(authz.ErrNoToken)
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", present
	}
	return token, nil
}
