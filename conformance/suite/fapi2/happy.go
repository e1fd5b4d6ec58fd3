package fapi2

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

const bound = "FAPI 2.0 SP §5.3.2.1"

var happy = []suite.Module{
	{
		Name: prefix + "happy-flow", Clause: "FAPI 2.0 SP §5.3", Rule: "two clients get tokens that are good at the resource, each only in the hands of the one that got it",
		Test: func(r *suite.Run) {
			first := client(r)
			token := obtain(r, first).Access
			r.Expect(reaches(r, first, token), "FAPI 2.0 SP §5.3.3", "the access token is good at the resource", nil)
			other := second(r)
			theirs := other.RedirectURI()
			second := obtain(r, other).Access
			r.Expect(reaches(r, other, second), "FAPI 2.0 SP §5.3.3", "the second client's access token is good at the resource", nil)
			r.Expect(token != second, "RFC 6749 §10.3", "each client has a token of its own", nil)
			if u, err := url.Parse(theirs); err == nil && !isMachine(r.Variant) && u.RawQuery == "" {
				r.Note("client2's redirect URI has no query, so that it was not seen whether one is kept")
			}
			stolen(r, first, other, token)
		},
	},
	{
		Name: prefix + "user-rejects-authentication", Clause: "RFC 6749 §4.1.2.1", Rule: "who does not agree sends the client access_denied",
		Test: func(r *suite.Run) {
			b := r.Browser()
			b.Declines = true
			q := ask(r, pushing{}, suite.In(b))
			q.Refused(q.Send(), "RFC 6749 §4.1.2.1", "access_denied")
		},
	},
	{
		Name: prefix + "access-token-type-header-case-sensitivity", Clause: "RFC 9110 §11.1", Rule: "the scheme before an access token is read whatever its case",
		Test: func(r *suite.Run) {
			c := client(r)
			token := obtain(r, c).Access
			if d := proofs(c); d != nil {
				for _, as := range spelled("DPoP") {
					d.As = as
					r.Expect(reaches(r, c, token), "RFC 9110 §11.1", "the scheme may be written "+as, nil)
				}
				return
			}
			for _, as := range spelled("Bearer") {
				c.Binding = scheme(as)
				r.Expect(reaches(r, c, token), "RFC 9110 §11.1", "the scheme may be written "+as, nil)
			}
		},
	},
	{
		Name: prefix + "ensure-holder-of-key-required", Clause: bound, Rule: "no token comes without a proof of the key that it is to be bound to, and every endpoint has TLS as it should be",
		Test: func(r *suite.Run) {
			c := client(r)
			request := tokenRequest(r, c)
			if d := proofs(c); d != nil {
				d.Without = true
			} else {
				c.Show(nil)
			}
			r.TokenRefused(request(), bound, "invalid_request", "invalid_dpop_proof", "invalid_client", "invalid_grant")
			secure(r)
		},
	},
}

// scheme is how tokens are presented, without anything else.
type scheme string

func (s scheme) Scheme() string                        { return string(s) }
func (scheme) Prove(*suite.Run, *http.Request, string) {}
func (scheme) Again(suite.Answer) bool                 { return false }

// stolen: a token is worth nothing to another.
func stolen(r *suite.Run, c, other *suite.Client, token string) {
	if proofs(c) != nil {
		thief := *c
		thief.Binding = proofs(other)
		barred(r, use(r, &thief, token), bound, "a token with a proof by another key")
		thief.Binding = scheme("Bearer")
		barred(r, use(r, &thief, token), "RFC 9449 §7.2", "a bound token presented as Bearer")
		return
	}
	certificate := c.Certificate
	defer c.Show(certificate)
	c.Show(other.Certificate)
	barred(r, use(r, c, token), "RFC 8705 §3", "a token with another certificate")
	c.Show(nil)
	barred(r, use(r, c, token), "RFC 8705 §3", "a token without a certificate")
}

// secure looks at the TLS of every endpoint (FAPI 2.0 SP §5.2.1, §5.2.2).
func secure(r *suite.Run) {
	var hosts []string
	for name, value := range r.Discover() {
		text, _ := value.(string)
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
			continue
		}
		r.Expect(u.Scheme == "https", "FAPI 2.0 SP §5.2.1", name+" is reached over TLS", text)
		if port := u.Port(); port == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "443")
		}
		if !slices.Contains(hosts, u.Host) {
			hosts = append(hosts, u.Host)
		}
	}
	for _, host := range hosts {
		r.Expect(
			!shakes(r, host, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), "FAPI 2.0 SP §5.2.1",
			host+" refuses TLS before 1.2", nil,
		)
		r.Expect(
			!shakes(r, host, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: weak}), "FAPI 2.0 SP §5.2.2",
			host+" refuses cipher suites of TLS 1.2 that RFC 9325 §4.2 does not recommend", nil,
		)
	}
}

// weak are suites without forward secrecy or without authenticated encryption.
var weak = []uint16{
	tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
}

// shakes reports whether a handshake succeeds. Nothing is sent afterwards, so the
// certificate need not be trusted: it is the version and the suite that matter.
func shakes(r *suite.Run, host string, config *tls.Config) bool {
	config.InsecureSkipVerify = true
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	socket, err := dialer.DialContext(r.Context(), "tcp", host)
	r.Works(err, "connecting to "+host)
	defer socket.Close()
	_ = socket.SetDeadline(time.Now().Add(10 * time.Second))
	return tls.Client(socket, config).HandshakeContext(r.Context()) == nil
}
