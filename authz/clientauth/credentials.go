package clientauth

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"hopnhat/authz"
	"hopnhat/keys/jose"
)

// way is a way to present credentials; which method of the registration it is for is
// seen when the client is known.
type way int

const (
	nothing way = iota // a client_id alone
	basicHeader
	secretInBody
	assertion
	certificate
)

// credentials are what a request presents, not yet checked.
type credentials struct {
	by                way
	id                authz.ClientID
	secret, assertion string
	chain             []*x509.Certificate
}

// read reads the credentials of a request: in exactly one way (RFC 6749 §2.3).
func read(ctx context.Context, r *http.Request, form url.Values) (p credentials, err error) {
	basicID, basicSecret, basic, err := basicCredentials(r)
	if err != nil {
		return p, err
	}
	p = credentials{id: authz.ClientID(form.Get("client_id")), secret: form.Get("client_secret"), assertion: form.Get("client_assertion")}
	ways := 0
	for i, used := range []bool{basic, p.secret != "", p.assertion != "" || form.Get("client_assertion_type") != ""} {
		if used {
			ways, p.by = ways+1, basicHeader+way(i)
		}
	}
	if ways > 1 {
		return p, authz.NewError(authz.InvalidRequest, "the client authenticated in more than one way; use exactly one (RFC 6749 §2.3)")
	}
	switch p.by {
	case basicHeader:
		if p.id != "" && string(p.id) != basicID {
			return p, authz.NewError(authz.InvalidRequest, "client_id and the Authorization header name different clients").At("client_id")
		}
		p.id, p.secret = authz.ClientID(basicID), basicSecret
	case assertion:
		return p, p.readAssertion(form)
	case nothing:
		if p.id == "" {
			return p, missing()
		}
		if chain := ConnectionOf(ctx).Chain; len(chain) > 0 { // RFC 8705 §2
			p.by, p.chain = certificate, chain
		}
	}
	return p, nil
}

// readAssertion finds in an assertion which client it says it is of (RFC 7521 §4.2).
func (p *credentials) readAssertion(form url.Values) error {
	if form.Get("client_assertion_type") != AssertionType {
		return authz.NewError(authz.InvalidRequest, "client_assertion_type must be %s", AssertionType).At("client_assertion_type")
	}
	if len(p.assertion) > maxAssertion {
		return authz.NewError(authz.InvalidRequest, "client_assertion is longer than %d bytes", maxAssertion).At("client_assertion")
	}
	claimed, err := jose.PeekIssuer(p.assertion)
	if err != nil {
		return refused(err)
	}
	if p.id != "" && string(p.id) != claimed {
		return authz.NewError(authz.InvalidRequest, "client_id and client_assertion name different clients").At("client_id")
	}
	p.id = authz.ClientID(claimed)
	return nil
}

// basicCredentials reads RFC 6749 §2.3.1: both parts are form-encoded first.
func basicCredentials(r *http.Request) (id, secret string, present bool, err error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return "", "", false, nil
	}
	malformed := authz.NewError(authz.InvalidRequest,
		"the Authorization header is malformed; send one Basic header with form-encoded client id and secret")
	if len(header) > 1 || len(header[0]) > 2048 {
		return "", "", false, malformed
	}
	scheme, rest, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false, malformed
	}
	raw, decodeErr := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	rawID, rawSecret, found := strings.Cut(string(raw), ":")
	id, idErr := url.QueryUnescape(rawID)
	secret, secretErr := url.QueryUnescape(rawSecret)
	if decodeErr != nil || !found || idErr != nil || secretErr != nil || authz.CheckText(id) != nil {
		return "", "", false, malformed
	}
	return id, secret, true, nil
}
