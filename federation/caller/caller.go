// Package caller is how an entity that asks an endpoint of a federation proves who it is, by
// private_key_jwt with a federation key (OpenID Federation 1.0 §8.8): on the side that is asked,
// and on the side that asks.
package caller

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Method is the only method of client authentication here (§8.8).
const Method = "private_key_jwt"

// Bounds of an assertion: how long it lives at most, how far clocks may differ, its bytes and those
// of its jti.
const (
	maxLife  = 10 * time.Minute
	leeway   = 10 * time.Second
	maxBytes = 16 << 10
	maxID    = 256
)

// Mode says whether who asks an endpoint proves who it is (§8.8.1).
type Mode string

// The modes; nobody proves anything where there is none.
const (
	Optional Mode = "optional"
	Required Mode = "required"
)

// Methods are the value of `*_auth_methods` in the metadata (§8.8.1); nil where it is left out.
func (m Mode) Methods() []string {
	switch m {
	case Optional:
		return []string{"none", Method}
	case Required:
		return []string{Method}
	}
	return nil
}

// Refusal is why a caller is not believed, for the one who asked.
type Refusal struct {
	// Client is true where it did not prove who it is (invalid_client), false where the request is
	// none (invalid_request).
	Client bool
	Text   string
}

// Error says why.
func (r *Refusal) Error() string { return r.Text }

func refuse(format string, args ...any) error { return &Refusal{true, fmt.Sprintf(format, args...)} }

// ErrUnknown means that an entity is nobody who may ask.
var ErrUnknown = errors.New("the entity is not known here")

// Once remembers what is accepted once, on all nodes.
type Once interface {
	// Spend returns clientauth.ErrAssertionUsed for what was spent before.
	Spend(ctx context.Context, once clientauth.Assertion) error
}

// Gate lets those in who prove who they are.
type Gate struct {
	// Self is the entity whose endpoint it is, and the only audience.
	Self federation.EntityID
	// Keys are the federation keys of an entity that is trusted now. The error wraps [ErrUnknown]
	// for any other.
	Keys func(ctx context.Context, id federation.EntityID) (*jose.Set, error)
	Once Once
	Now  func() time.Time
}

// claims are those of RFC 7523 §3.
type claims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	ID        string          `json:"jti"`
	Expires   float64         `json:"exp"`
	IssuedAt  float64         `json:"iat"`
	NotBefore float64         `json:"nbf"`
}

// Tried reports whether a form has anything with which a client proves who it is.
func Tried(form url.Values) bool {
	return form.Has("client_assertion") || form.Has("client_assertion_type") || form.Has("client_secret")
}

// Check is who asks, by the parameters in the body of a request. A proof that is good is spent. The
// error is a [*Refusal], or says why it could not be checked.
func (g Gate) Check(ctx context.Context, form url.Values) (federation.EntityID, error) {
	for _, name := range []string{"client_assertion", "client_assertion_type", "client_id"} {
		if len(form[name]) > 1 {
			return "", &Refusal{false, "The parameter " + name + " comes more than once."}
		}
	}
	switch {
	case form.Has("client_secret"):
		return "", refuse("The entity proves who it is by %s and not by a secret (§8.8).", Method)
	case form.Get("client_assertion") == "" || form.Get("client_assertion_type") != clientauth.AssertionType:
		return "", refuse("Send client_assertion, signed with a federation key, and client_assertion_type %s (§8.8).", clientauth.AssertionType)
	}
	received, err := jose.Receive(form.Get("client_assertion"), jose.Rule{Algorithms: statement.Algorithms, MaxBytes: maxBytes})
	var c claims
	if err == nil {
		err = json.Unmarshal(received.Claims(), &c)
	}
	if err != nil || received.KeyID() == "" {
		return "", refuse("client_assertion is not a JWT with typ JWT and a kid, signed with one of %v.", statement.Algorithms)
	}
	id, err := federation.ParseEntityID(c.Issuer)
	if err != nil || c.Subject != c.Issuer || form.Has("client_id") && form.Get("client_id") != c.Issuer {
		return "", refuse("iss and sub of client_assertion, and client_id if it is sent, are the entity identifier of who asks.")
	}
	set, err := g.Keys(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return "", refuse("%s is no entity that is trusted here.", id)
	}
	if err != nil {
		return "", err
	}
	if received.VerifyNamed(set) != nil {
		return "", refuse("client_assertion is not signed with a federation key of %s, as its superior states them (§8.8).", id)
	}
	if err := g.judge(c); err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte("federation\x00" + c.Issuer + "\x00" + c.ID))
	err = g.Once.Spend(ctx, clientauth.Assertion{Digest: digest[:], Expires: at(c.Expires).Add(leeway).UTC()})
	if errors.Is(err, clientauth.ErrAssertionUsed) {
		return "", refuse("client_assertion was used before: its jti counts once.")
	}
	return id, err
}

func at(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }

// judge is RFC 7523 §3, with the audience of §8.8.
func (g Gate) judge(c claims) error {
	now := g.Now()
	switch {
	case !g.alone(c.Audience):
		return refuse("aud of client_assertion is %s and nothing else (§8.8).", g.Self)
	case c.Expires > float64(now.Add(maxLife).Unix()):
		return refuse("exp of client_assertion is more than %s ahead.", maxLife)
	case c.Expires <= 0 || !now.Before(at(c.Expires).Add(leeway)):
		return refuse("exp of client_assertion is missing or past.")
	case c.NotBefore > float64(now.Add(leeway).Unix()) || c.IssuedAt > float64(now.Add(leeway).Unix()):
		return refuse("nbf or iat of client_assertion is ahead of the clock here.")
	case c.ID == "" || len(c.ID) > maxID:
		return refuse("jti of client_assertion is missing, or longer than %d bytes.", maxID)
	}
	return nil
}

// alone reports whether an audience is this entity and nobody else.
func (g Gate) alone(raw json.RawMessage) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one == string(g.Self)
	}
	var many []string
	return json.Unmarshal(raw, &many) == nil && len(many) == 1 && many[0] == string(g.Self)
}

// Prover proves at the endpoints of others who this entity is.
type Prover struct {
	Self federation.EntityID
	Ring keys.Ring
	Now  func() time.Time
}

// Prove adds the proof for an entity to the parameters of a request.
func (p Prover) Prove(ctx context.Context, to federation.EntityID, form url.Values) error {
	now := p.Now()
	tokens, err := jose.Sign(ctx, p.Ring, jose.Token{Use: keys.EntityStatement, Algorithm: keys.ES256, Type: "JWT", Claims: map[string]any{
		"iss": p.Self, "sub": p.Self, "aud": to, "jti": authz.NewID(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}})
	if err != nil {
		return fmt.Errorf("signing the proof of who asks: %w", err)
	}
	form.Set("client_assertion", tokens[0])
	form.Set("client_assertion_type", clientauth.AssertionType)
	return nil
}
