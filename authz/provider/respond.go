package provider

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/protocol"
	"hopnhat/keys"
)

// refuseBearer answers at a protected resource, RFC 6750 §3 and RFC 9449 §7.1.
func (p *Provider) refuseBearer(w http.ResponseWriter, r *http.Request, err error) {
	refusal := authz.AsError(err)
	p.refusals.Log(r, refusal)
	status := protocol.StatusOf(refusal.Code)
	switch refusal.Code {
	case authz.InvalidDPoPProof, authz.UseDPoPNonce:
		status = http.StatusUnauthorized
	}
	if refusal.Code == authz.UseDPoPNonce {
		w.Header().Set("DPoP-Nonce", p.o.Proofs.Nonce())
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		p.challenge(w, r, refusal)
	}
	if errors.Is(refusal, authz.ErrNoToken) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status) // RFC 6750 §3.1: without an error
		return
	}
	protocol.WriteJSON(w, status, refusal.Body())
}

// The schemes of challenges.
var (
	schemeDPoP   = `DPoP algs="` + strings.Join(keys.FAPI2Signatures.Names(), " ") + `"`
	schemeBearer = "Bearer"
)

// challenge is the WWW-Authenticate of RFC 6750 §3 and RFC 9449 §7.1, with where
// to read what the resource wants (RFC 9728 §5.1).
func (p *Provider) challenge(w http.ResponseWriter, r *http.Request, refusal *authz.Error, more ...authz.Attribute) {
	if at := p.resourceMetadataAt(r.URL.Path); at != "" {
		more = append(more, authz.Attribute{Name: "resource_metadata", Value: at})
	}
	for _, scheme := range []string{schemeDPoP, schemeBearer} {
		w.Header().Add("WWW-Authenticate", refusal.Challenge(scheme, more...))
	}
}

// refuseStepUp asks for a sign-in at a higher level, RFC 9470 §3.
func (p *Provider) refuseStepUp(w http.ResponseWriter, r *http.Request, acr string) {
	refusal := authz.NewError(authz.InsufficientAuthentication, "the person must sign in at a higher level")
	p.refusals.Log(r, refusal)
	p.challenge(w, r, refusal, authz.Attribute{Name: "acr_values", Value: acr})
	protocol.WriteJSON(w, http.StatusUnauthorized, refusal.Body())
}

// Refused counts refusals at endpoints and resources and those that go back to an app,
// by their code.
func (p *Provider) Refused() map[authz.Code]uint64 { return p.refusals.All() }
