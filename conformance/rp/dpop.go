package rp

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// proven checks a DPoP proof, if there is one, and demands a nonce where the fault
// says so (RFC 9449 §4.3, §8, §9). A token that was bound needs a proof.
func (p *provider) proven(w http.ResponseWriter, r *http.Request, s *SignIn, where, token string) bool {
	proof := r.Header.Get("DPoP")
	if proof == "" {
		bound := s.key() != ""
		s.trial.Expect(!bound, "RFC 9449 §5", "an app that binds tokens sends a proof to "+r.URL.Path, "none")
		if bound {
			refuse(w, http.StatusBadRequest, "invalid_dpop_proof", "there is none")
		}
		return !bound
	}
	thumbprint, nonce, err := p.checkProof(r, proof, token)
	if bound := s.key(); err == nil && bound != "" && bound != thumbprint {
		err = errors.New("another key than before")
	}
	s.trial.Expect(err == nil, "RFC 9449 §4.3", "the proof at "+r.URL.Path+" is right", err)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_dpop_proof", err.Error())
		return false
	}
	if s.challenged(w, where, nonce) {
		return false
	}
	p.mu.Lock()
	s.bound = thumbprint
	p.mu.Unlock()
	return true
}

// challenged asks for a nonce, or for another one.
func (s *SignIn) challenged(w http.ResponseWriter, where, nonce string) bool {
	if !slices.Contains(s.fault.Nonce, where) {
		return false
	}
	mu := &s.trial.provider.mu
	mu.Lock()
	defer mu.Unlock()
	if nonce != "" && nonce == s.nonces[where] && !s.fault.Endless {
		return false
	}
	s.challenge[where]++
	s.nonces[where] = suite.Random()
	w.Header().Set("DPoP-Nonce", s.nonces[where])
	status := http.StatusBadRequest
	if where == "resource" {
		status = http.StatusUnauthorized
		scheme := s.fault.Scheme
		if scheme == "" {
			scheme = "DPoP"
		}
		w.Header().Set("WWW-Authenticate", scheme+` error="use_dpop_nonce", error_description="a nonce is needed"`)
	}
	refuse(w, status, "use_dpop_nonce", "a nonce is needed")
	return true
}

// challenges tells how often a nonce was asked for.
func (s *SignIn) challenges(where string) int {
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	return s.challenge[where]
}

func (p *provider) checkProof(r *http.Request, proof, token string) (thumbprint, nonce string, err error) {
	object, err := jose.ParseSignedCompact(proof, algorithms)
	if err != nil {
		return "", "", err
	}
	key := object.Signatures[0].Protected.JSONWebKey
	if key == nil || !key.IsPublic() {
		return "", "", errors.New("its header has no public key")
	}
	payload, err := object.Verify(key)
	if err != nil {
		return "", "", err
	}
	var c suite.Claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return "", "", err
	}
	issued, _ := c.Number("iat")
	address := p.issuer[:len(p.issuer)-len(pathOf(p.issuer))] + r.URL.Path
	switch {
	case object.Signatures[0].Protected.ExtraHeaders[jose.HeaderType] != "dpop+jwt":
		err = errors.New("typ is not dpop+jwt")
	case c.Text("htm") != r.Method || c.Text("htu") != address:
		err = fmt.Errorf("it is for %s %s", c.Text("htm"), c.Text("htu"))
	case c.Text("jti") == "":
		err = errors.New("there is no jti")
	case time.Since(time.Unix(int64(issued), 0)).Abs() > 5*time.Minute:
		err = errors.New("iat is not now")
	case token != "" && c.Text("ath") != suite.Digest(token):
		err = errors.New("ath is not the token's")
	}
	if err != nil {
		return "", "", err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), c.Text("nonce"), err
}
