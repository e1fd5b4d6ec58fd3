package suite

import (
	"net/http"
	"strings"
	"time"
)

// DPoP is a [Binding] by proofs of possession (RFC 9449). It remembers nonces.
type DPoP struct {
	Key Key
	// Without sends no proof; the scheme stays.
	Without bool
	// As is the scheme's spelling in the Authorization header; "DPoP" if empty.
	As string
	// Change alters a proof's header and claims before it is signed; what is set to nil
	// is left out.
	Change func(header, claims Claims)
	// Send alters how the proof goes into the request.
	Send func(header http.Header, proof string)

	nonces map[string]string // by host
	host   string            // asked last
}

// Scheme is how tokens are presented (RFC 9449 §7.1).
func (d *DPoP) Scheme() string {
	if d.As != "" {
		return d.As
	}
	return "DPoP"
}

// Prove puts a proof into a request (RFC 9449 §4.2).
func (d *DPoP) Prove(r *Run, request *http.Request, token string) {
	d.host = request.URL.Host
	if d.Without {
		return
	}
	target := *request.URL
	target.RawQuery, target.Fragment = "", ""
	header := Claims{"typ": "dpop+jwt", "alg": d.Key.Algorithm, "jwk": bare(d.Key)}
	claims := Claims{"jti": Random(), "htm": request.Method, "htu": target.String(), "iat": time.Now().Unix()}
	if nonce := d.nonces[d.host]; nonce != "" {
		claims["nonce"] = nonce
	}
	if token != "" {
		claims["ath"] = Digest(token)
	}
	if d.Change != nil {
		d.Change(header, claims)
	}
	proof, err := d.Key.SignAs(header, claims)
	r.works(err, "signing a DPoP proof")
	if d.Send != nil {
		d.Send(request.Header, proof)
		return
	}
	request.Header.Set("DPoP", proof)
}

// Again remembers a nonce, and reports whether it was asked for (RFC 9449 §8, §9).
func (d *DPoP) Again(a Answer) bool {
	nonce := a.Header.Get("DPoP-Nonce")
	if nonce == "" {
		return false
	}
	if d.nonces == nil {
		d.nonces = map[string]string{}
	}
	d.nonces[d.host] = nonce
	return a.Status >= 400 && (a.ErrorCode() == "use_dpop_nonce" || strings.Contains(a.Header.Get("WWW-Authenticate"), `"use_dpop_nonce"`))
}

// Nonced reports whether the server last called gives nonces.
func (d *DPoP) Nonced() bool { return d.nonces[d.host] != "" }

// bare is a public key as it goes into a proof.
func bare(k Key) any {
	public := k.Public()
	public.KeyID, public.Use, public.Algorithm = "", "", ""
	return public
}
