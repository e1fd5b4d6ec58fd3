package registrar

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/protocol"
	apps "hopnhat/authz/registration"
	"hopnhat/federation"
	"hopnhat/federation/registration"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Media types of explicit registration (OpenID Federation 1.0 §12.2.1, §12.2.3).
const (
	RequestType  = "application/" + statement.Type
	ChainType    = "application/trust-chain+json"
	responseType = "explicit-registration-response+jwt"
)

// maxRequest bounds a request in bytes.
const maxRequest = 112 << 10

// Addresses limits requests by network address.
type Addresses interface {
	Take(address netip.Addr) (wait time.Duration)
}

// Explicit is the endpoint at which apps of federations register explicitly (§12.2). It is safe
// for concurrent use.
type Explicit struct {
	r         *Registrar
	ring      keys.Ring
	addresses Addresses
}

// NewExplicit makes the endpoint of a registrar. Answers are signed with a federation key of
// the ring.
func NewExplicit(r *Registrar, ring keys.Ring, addresses Addresses) *Explicit {
	return &Explicit{r, ring, addresses}
}

// Takes reports whether a request is one of explicit registration, by its media type.
func Takes(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (media == RequestType || media == ChainType)
}

// ServeHTTP registers an app, or refuses by the codes of §8.9.
func (e *Explicit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := e.register(r)
	if err != nil {
		refusal := authz.AsError(err)
		protocol.WriteJSON(w, protocol.StatusOf(refusal.Code), refusal.Body())
		return
	}
	protocol.WriteJWT(w, "application/"+responseType, token)
}

func (e *Explicit) register(r *http.Request) (string, error) {
	if r.Method != http.MethodPost {
		return "", authz.NewError(authz.InvalidRequest, "this endpoint takes POST (OpenID Federation 1.0 §12.2.1)")
	}
	address, _ := netip.ParseAddr(r.RemoteAddr)
	if wait := e.addresses.Take(address); wait > 0 {
		return "", &authz.Error{
			Code: authz.TemporarilyUnavailable, RetryAfter: wait, Description: "too many requests from this address; try again later",
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil || len(body) > maxRequest {
		return "", authz.NewError(authz.InvalidRequest, "the body could not be read, or is longer than %d bytes", maxRequest)
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	v, err := e.verdict(r.Context(), media, body)
	if err != nil {
		return "", err
	}
	c, err := e.r.registerExplicitly(r.Context(), v)
	if err != nil {
		return "", err
	}
	return e.answer(r.Context(), v, c)
}

// verdict is that on the chain of the app, whose first statement is the request (§12.2.2).
func (e *Explicit) verdict(ctx context.Context, media string, body []byte) (trust.Verdict, error) {
	if !e.r.begin(ctx) {
		return trust.Verdict{}, errBusy()
	}
	defer e.r.verifying.Release(1)
	if media == ChainType {
		var chain []string
		if err := json.Unmarshal(body, &chain); err != nil || len(chain) == 0 {
			return trust.Verdict{}, refuse(authz.InvalidTrustChain, "12.2.1", "the body is no JSON array of entity statements")
		}
		if _, err := statement.ParseRequest(chain[0], e.r.o.Self); err != nil {
			return trust.Verdict{}, refuse(authz.InvalidRequest, "12.2.2", "%v", err)
		}
		v := trust.Verify(chain, e.r.o.Rules.Anchors, e.r.o.Now())
		if !v.Valid() {
			return v, registration.Refusal(v)
		}
		return v, nil
	}
	request, err := statement.ParseRequest(string(body), e.r.o.Self)
	if err != nil {
		return trust.Verdict{}, refuse(authz.InvalidRequest, "12.2.2", "%v", err)
	}
	chain, peer, err := jose.PeekTrustChains(string(body))
	if err != nil {
		return trust.Verdict{}, refuse(authz.InvalidTrustChain, "4.3", "%v", err)
	}
	return e.above(request, chain, peer)
}

// above is the verdict on a request and the chain that stands above the app: the one in its
// header, or the one that the resolver knows. The configuration of the app in there says only
// that there is a path (§12.2.2).
func (e *Explicit) above(request statement.Statement, chain, peer []string) (trust.Verdict, error) {
	var path trust.Verdict
	if len(chain) == 0 {
		known, ok := e.r.resolved(request.Subject)
		if !ok {
			return path, refuse(authz.InvalidTrustChain, "12.2.2", "no chain of this app is known here; send it as trust_chain in the header")
		}
		if path = known; !path.Valid() {
			return path, registration.Refusal(path)
		}
	} else {
		var err error
		if path, err = e.r.verify(request.Subject, chain, peer); err != nil {
			return path, err
		}
	}
	v := trust.VerifyStatements(append([]statement.Statement{request}, path.Chain[1:]...), e.r.o.Rules.Anchors, e.r.o.Now())
	if !v.Valid() {
		return v, registration.Refusal(v)
	}
	return v, nil
}

// registerExplicitly makes a verdict the registration of its app: the one that was before ends
// with it (§12.2.2).
func (r *Registrar) registerExplicitly(ctx context.Context, v trust.Verdict) (*authz.Client, error) {
	c, kept, err := r.find(ctx, authz.ClientID(v.Subject))
	switch {
	case err != nil:
		return nil, err
	case c != nil && !kept.Federated():
		return nil, refuse(authz.InvalidRequest, "12.2.2", "an operator registered an app of this name here, which is not changed so")
	case c != nil && c.Disabled:
		return nil, refuse(authz.InvalidRequest, "12.2.2", "an operator keeps this app out")
	case c != nil && v.Chain[0].IssuedAt.Before(kept.Issued):
		return nil, refuse(authz.InvalidRequest, "12.2.2", "the app was registered with a newer configuration than this one")
	}
	if known, ok := r.resolved(v.Subject); ok && !known.Valid() {
		return nil, registration.Refusal(known)
	}
	if err := r.withdrawn(v, c, kept); err != nil {
		return nil, err
	}
	return r.take(ctx, v, registration.Explicit, c, kept)
}

// answer is the registration, signed as a statement for the app alone (§12.2.3).
func (e *Explicit) answer(ctx context.Context, v trust.Verdict, c *authz.Client) (string, error) {
	metadata, err := registered(c)
	if err != nil {
		return "", err
	}
	claims := map[string]any{
		"iss": e.r.o.Self, "sub": v.Subject, "aud": v.Subject, "iat": e.r.o.Now().Unix(), "exp": c.Membership.Expires.Unix(),
		"trust_anchor": c.Membership.Anchor, "authority_hints": []string{c.Membership.Superior},
		"metadata": map[federation.EntityType]any{federation.RelyingParty: metadata},
	}
	tokens, err := jose.Sign(ctx, e.ring, jose.Token{
		Use: keys.EntityStatement, Algorithm: keys.ES256, Type: responseType, Claims: claims,
	})
	if err != nil {
		return "", err
	}
	return tokens[0], nil
}

// registered are the metadata of a client with what has a default, and the way it came.
func registered(c *authz.Client) (map[string]json.RawMessage, error) {
	raw, err := json.Marshal(apps.Of(c))
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	all["client_registration_types"] = json.RawMessage(`["` + string(registration.Explicit) + `"]`)
	return all, nil
}
