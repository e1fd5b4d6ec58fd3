package endpoint

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/registration"
)

// Manage is an app's own URL, RFC 7592: GET reads, PUT replaces, DELETE ends.
func (e *Endpoint) Manage(w http.ResponseWriter, r *http.Request) {
	var a answer
	c, kept, token, err := e.authenticated(r)
	if err == nil {
		switch r.Method {
		case http.MethodGet:
			a = e.answer(c, kept, token, "")
		case http.MethodPut:
			a, err = e.replace(r, c, kept)
		case http.MethodDelete:
			if err = e.end(r.Context(), c, kept); err == nil {
				w.Header().Set("Cache-Control", "no-store")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		default:
			err = errMethod
		}
	}
	if err != nil {
		e.writeError(w, r, err)
		return
	}
	write(w, http.StatusOK, a)
}

// refusedToken is one answer for an app that is not there, a token of another and
// a token of none (RFC 7592 §2).
var refusedToken = authz.NewError(authz.InvalidToken, "the registration access token is not that of this registration; an update gives a new one")

// authenticated finds the app whose registration access token was presented.
func (e *Endpoint) authenticated(r *http.Request) (*authz.Client, registration.Registration, string, error) {
	none := func(err error) (*authz.Client, registration.Registration, string, error) {
		return nil, registration.Registration{}, "", err
	}
	if err := e.limited(r); err != nil {
		return none(err)
	}
	token, err := bearer(r)
	if err != nil {
		return none(err)
	}
	id := authz.ClientID(strings.TrimPrefix(r.URL.Path, Path+"/"))
	if token == "" || id == "" || len(id) > 128 {
		return none(refusedToken)
	}
	c, kept, err := e.o.Registrations.Registration(r.Context(), id)
	if errors.Is(err, authz.ErrNotFound) {
		return none(refusedToken)
	}
	if err != nil {
		return none(err)
	}
	fits, newest := kept.Fits(token)
	if !fits {
		return none(refusedToken)
	}
	if newest && len(kept.Previous) > 0 {
		if err := e.o.Registrations.SettleRegistration(r.Context(), id, kept.Token); err != nil {
			return none(err)
		}
	}
	return c, kept, token, nil
}

// sentBack are members of an answer that a PUT must not carry (RFC 7592 §2.2),
// and those it must or may repeat.
type sentBack struct {
	ClientID        string          `json:"client_id"`
	Secret          *string         `json:"client_secret"`
	Token           json.RawMessage `json:"registration_access_token"`
	URI             json.RawMessage `json:"registration_client_uri"`
	SecretExpiresAt json.RawMessage `json:"client_secret_expires_at"`
	IssuedAt        json.RawMessage `json:"client_id_issued_at"`
}

// check is RFC 7592 §2.2.
func (s sentBack) check(c *authz.Client) error {
	wrong := func(member, text string) error {
		return authz.NewError(authz.InvalidClientMetadata, "%s: %s (RFC 7592 §2.2)", member, text).At(member)
	}
	switch {
	case s.ClientID != string(c.ID):
		return wrong("client_id", "an update repeats its own")
	case s.Secret != nil && subtle.ConstantTimeCompare(authz.HashSecret(*s.Secret), c.SecretHash) != 1:
		return wrong("client_secret", "it is not the present one, and cannot be chosen")
	}
	for member, raw := range map[string]json.RawMessage{
		"registration_access_token": s.Token, "registration_client_uri": s.URI, "client_secret_expires_at": s.SecretExpiresAt, "client_id_issued_at": s.IssuedAt,
	} {
		if raw != nil {
			return wrong(member, "leave it out")
		}
	}
	return nil
}

// replace puts new metadata in the place of all there were. It goes no further
// than the initial access token let (RFC 7592 §2.2), and gives a new registration
// access token.
func (e *Endpoint) replace(r *http.Request, before *authz.Client, kept registration.Registration) (answer, error) {
	ctx, now := r.Context(), e.o.Now().UTC()
	switch {
	case before.Disabled:
		return answer{}, authz.NewError(authz.AccessDenied, "an operator has disabled this app; it can be read and deleted")
	case !kept.Revoked.IsZero(), kept.Initial == "" && !e.o.Open:
		return answer{}, authz.NewError(authz.AccessDenied, "what this app was registered with is no longer let; ask the agency's officer for an initial access token")
	}
	raw, err := body(r)
	if err != nil {
		return answer{}, err
	}
	m, err := registration.Parse(raw)
	if err != nil {
		return answer{}, err
	}
	var back sentBack
	if err := json.Unmarshal(raw, &back); err != nil {
		return answer{}, authz.NewError(authz.InvalidClientMetadata, "client_id and client_secret are texts")
	}
	if err := back.check(before); err != nil {
		return answer{}, err
	}
	m.ClientID = string(before.ID) // what was compared is what is written
	c, err := e.client(ctx, m, kept.Policy, now)
	if err == nil {
		err = registration.KeepSector(before, c)
	}
	if err != nil {
		return answer{}, err
	}
	c.Verified = kept.Policy.Vouched(kept.Initial, before, c, now)
	// What an operator has given stays.
	c.CreatedAt, c.Introspect, c.Resources = before.CreatedAt, before.Introspect, before.Resources
	c.TokenExchange, c.MayAct, c.TrustedIssuers = before.TokenExchange, before.MayAct, before.TrustedIssuers
	secret := giveSecret(c, before, now)
	token, read := authz.NewSecret(), kept.Token
	kept.Previous, kept.Token, kept.Statement, kept.Updated = read, authz.HashSecret(token), m.Statement, now
	err = e.recorded(ctx, before, c, audit.ClientUpdated, kept.Initial, now, func(ctx context.Context) error {
		return e.o.Registrations.ReplaceRegistration(ctx, c, kept, read)
	})
	switch {
	case errors.Is(err, registration.ErrMeanwhile):
		return answer{}, meanwhile
	case errors.Is(err, authz.ErrConflict):
		return answer{}, refusedToken.Because(err)
	case err != nil:
		return answer{}, err
	}
	return e.answer(c, kept, token, secret), nil
}

// meanwhile: what an operator did while an update was looked at stands.
var meanwhile = &authz.Error{
	Code: authz.TemporarilyUnavailable, Description: "an operator changed this app at the same moment; read it and send the update again", RetryAfter: time.Second,
}

// endedGrants is how many grants are revoked in one commit.
const endedGrants = 1000

// end is RFC 7592 §2.3: from its commit on the app is refused everywhere; then
// its grants are revoked, which ends their tokens.
func (e *Endpoint) end(ctx context.Context, c *authz.Client, kept registration.Registration) error {
	now := e.o.Now().UTC()
	err := e.recorded(ctx, c, c, audit.ClientDeleted, kept.Initial, now, func(ctx context.Context) error {
		return e.o.Registrations.EndClient(ctx, c.ID, now)
	})
	if err != nil {
		return err
	}
	return EndGrants(ctx, e.o.Registrations, c.ID, now)
}

// EndGrants revokes all live grants of an app that was ended, many in a commit.
func EndGrants(ctx context.Context, from interface {
	EndGrants(ctx context.Context, id authz.ClientID, because string, at time.Time, limit int) (int, error)
}, id authz.ClientID, now time.Time,
) error {
	for {
		n, err := from.EndGrants(ctx, id, "client_deleted", now, endedGrants)
		if err != nil || n < endedGrants {
			return err
		}
	}
}
