package fapi2

import (
	"net/http"
	"time"

	"hopnhat/conformance/suite"
)

const dpopCode = "RFC 9449 §10"

var mismatch = []string{"invalid_grant", "invalid_dpop_proof", "invalid_request"}

// bindings are the modules about proofs and what they bind.
var bindings = []suite.Module{
	proofWith("check-dpop-proof-nbf-exp", "a proof may carry nbf and exp", func(_, claims suite.Claims) {
		claims["nbf"], claims["exp"] = time.Now().Unix(), time.Now().Add(time.Minute).Unix()
	}),
	proofWith("ensure-dpopproof-with-iat-10seconds-before-succeeds", "a proof made ten seconds ago is good", func(_, claims suite.Claims) {
		claims["iat"] = time.Now().Add(-10 * time.Second).Unix()
	}),
	proofWith("ensure-dpopproof-with-iat-10seconds-after-succeeds", "a proof by a clock ten seconds ahead is good", func(_, claims suite.Claims) {
		claims["iat"] = time.Now().Add(10 * time.Second).Unix()
	}),
	{
		Name: prefix + "ensure-mismatched-dpop-jkt-fails", Clause: "RFC 9449 §10.1", For: isDPoP, Rule: "a dpop_jkt that is not of the key of the proof beside it is refused",
		Test: func(r *suite.Run) {
			p := pushing{proof: true}
			refused(r, ask(r, p, suite.With("dpop_jkt", r.Key("ES256", "another").Thumbprint())), p, "RFC 9449 §10.1", "invalid_dpop_proof", "invalid_request")
		},
	},
	{
		Name: prefix + "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt", Clause: dpopCode, For: isDPoP,
		Rule: "a code that was bound by a proof at the pushed request is not redeemed with another key",
		Test: func(r *suite.Run) { otherKey(r, authorize(r, ask(r, pushing{proof: true}))) },
	},
	{
		Name: prefix + "ensure-token-endpoint-fails-with-mismatched-dpop-jkt", Clause: dpopCode, For: isDPoP,
		Rule: "a code that was bound by dpop_jkt is not redeemed with another key",
		Test: func(r *suite.Run) { otherKey(r, authorize(r, ask(r, pushing{}, jkt(r)))) },
	},
	{
		Name: prefix + "ensure-dpopproof-at-par-endpoint-binding-success", Clause: "RFC 9449 §10.1", For: isDPoP, Rule: "a proof at the pushed request binds the code, which its key redeems",
		Test: func(r *suite.Run) { login(r, ask(r, pushing{proof: true})) },
	},
	{
		Name: prefix + "ensure-dpop-auth-code-binding-success", Clause: dpopCode, For: isDPoP, Rule: "dpop_jkt binds the code, which its key redeems",
		Test: func(r *suite.Run) { login(r, ask(r, pushing{}, jkt(r))) },
	},
	{
		Name: prefix + "dpop-negative-tests", Clause: "RFC 9449 §4.3", For: isDPoP, Rule: "a proof that is wrong in any way is refused at the resource",
		Test: func(r *suite.Run) { wrongProofs(r) },
	},
}

func jkt(r *suite.Run) suite.Option {
	return func(q *suite.Request) { q.Params.Set("dpop_jkt", proofs(q.Client).Key.Thumbprint()) }
}

func otherKey(r *suite.Run, l suite.Login) {
	d := proofs(l.Request.Client)
	own := d.Key
	d.Key = r.Key("ES256", "another")
	r.TokenRefused(l.Request.Redeem(l.Callback.Values.Get("code")), dpopCode, mismatch...)
	d.Key = own
}

// proofWith is a module about proofs that are unusual and right.
func proofWith(name, rule string, change func(header, claims suite.Claims)) suite.Module {
	return suite.Module{Name: prefix + name, Clause: "RFC 9449 §4.3", For: isDPoP, Rule: rule, Test: func(r *suite.Run) {
		c := client(r)
		proofs(c).Change = change
		token := obtain(r, c).Access
		r.Expect(reaches(r, c, token), "RFC 9449 §4.3", "the resource takes such a proof, too", nil)
	}}
}

// wrong is a proof with something wrong.
type wrong struct {
	name   string
	clause string
	change func(header, claims suite.Claims)
	send   func(header http.Header, proof string)
	// clock: nothing is wrong but the time, for which a nonce stands where the server
	// gives them.
	clock bool
}

func ago(d time.Duration) int64 { return time.Now().Add(-d).Unix() }

// wrongs are the ways in which a proof is wrong.
func wrongs(r *suite.Run) []wrong {
	other := r.Key("ES256", "another")
	return []wrong{
		{name: "no proof", clause: "RFC 9449 §7.1", send: func(http.Header, string) {}},
		{name: "two proofs", clause: "RFC 9449 §4.3, 1", send: func(h http.Header, proof string) { h["Dpop"] = []string{proof, proof} }},
		{name: "a proof that is no JWT", clause: "RFC 9449 §4.3, 2", send: func(h http.Header, proof string) { h.Set("DPoP", "x"+proof[1:20]) }},
		{name: "a proof whose signature is broken", clause: "RFC 9449 §4.3, 6", send: func(h http.Header, proof string) { h.Set("DPoP", broken(proof)) }},
		{name: "a proof of type JWT", clause: "RFC 9449 §4.3, 4", change: func(h, _ suite.Claims) { h["typ"] = "JWT" }},
		{name: "a proof without typ", clause: "RFC 9449 §4.3, 4", change: func(h, _ suite.Claims) { h["typ"] = nil }},
		{name: "alg none", clause: "RFC 9449 §4.3, 5", change: func(h, _ suite.Claims) { h["alg"] = "none" }},
		{name: "alg HS256", clause: "RFC 9449 §4.3, 5", change: func(h, _ suite.Claims) { h["alg"] = "HS256" }},
		{name: "a proof without jwk", clause: "RFC 9449 §4.3, 3", change: func(h, _ suite.Claims) { h["jwk"] = nil }},
		{name: "a proof with the jwk of another key", clause: "RFC 9449 §4.3, 6", change: func(h, _ suite.Claims) { h["jwk"] = other.Public() }},
		{name: "a proof with a private key", clause: "RFC 9449 §4.3, 7", change: func(h, _ suite.Claims) { h["jwk"] = proofs(r.Client()).Key.JSONWebKey }},
		{name: "a proof for another method", clause: "RFC 9449 §4.3, 8", change: func(_, c suite.Claims) { c["htm"] = "PATCH" }},
		{name: "a proof without htm", clause: "RFC 9449 §4.3, 3", change: func(_, c suite.Claims) { c["htm"] = nil }},
		{name: "a proof for another address", clause: "RFC 9449 §4.3, 9", change: func(_, c suite.Claims) { c["htu"] = "https://other.example/" }},
		{name: "a proof without htu", clause: "RFC 9449 §4.3, 3", change: func(_, c suite.Claims) { c["htu"] = nil }},
		{name: "a proof without jti", clause: "RFC 9449 §4.3, 3", change: func(_, c suite.Claims) { c["jti"] = nil }},
		{name: "a proof without iat", clause: "RFC 9449 §4.3, 3", change: func(_, c suite.Claims) { c["iat"] = nil }},
		{name: "a proof of an hour ago", clause: "RFC 9449 §4.3, 11", clock: true, change: func(_, c suite.Claims) { c["iat"] = ago(time.Hour) }},
		{name: "a proof of an hour ahead", clause: "RFC 9449 §4.3, 11", clock: true, change: func(_, c suite.Claims) { c["iat"] = ago(-time.Hour) }},
		{name: "a proof without ath", clause: "RFC 9449 §4.3, 12", change: func(_, c suite.Claims) { c["ath"] = nil }},
		{name: "a proof for another token", clause: "RFC 9449 §4.3, 12", change: func(_, c suite.Claims) { c["ath"] = suite.Digest("another") }},
	}
}

// broken is a token with a bit of its signature turned.
func broken(token string) string {
	at := len(token) - 20
	turned := byte('A')
	if token[at] == 'A' {
		turned = 'B'
	}
	return token[:at] + string(turned) + token[at+1:]
}

func wrongProofs(r *suite.Run) {
	c := client(r)
	token := obtain(r, c).Access
	r.Must(reaches(r, c, token), "RFC 9449 §7.1", "the token is good with a right proof", nil)
	d := proofs(c)
	for _, w := range wrongs(r) {
		d.Change, d.Send = w.change, w.send
		if w.clock && d.Nonced() {
			a := use(r, c, token)
			r.Should(good(r, a), "RFC 9449 §4.3, 11", w.name+" is good with a nonce of the server, which stands for the time", a)
			continue
		}
		barred(r, use(r, c, token), w.clause, w.name)
	}
	d.Change, d.Send = nil, nil
	own := d.Key
	d.Key = r.Key("ES256", "another")
	barred(r, use(r, c, token), "RFC 9449 §4.3, 12", "a right proof by another key")
	d.Key = own
	d.As = "Bearer"
	barred(r, use(r, c, token), "RFC 9449 §7.2", "the token presented as Bearer")
	d.As = ""
	replayed(r, c, token)
	r.Expect(reaches(r, c, token), "RFC 9449 §7.1", "the token is still good with a right proof", nil)
}

// replayed: RFC 9449 §11.1 lets a resource choose how it limits replay.
func replayed(r *suite.Run, c *suite.Client, token string) {
	d := proofs(c)
	var kept string
	d.Send = func(h http.Header, proof string) {
		kept = proof
		h.Set("DPoP", proof)
	}
	first := use(r, c, token)
	d.Send = func(h http.Header, _ string) { h.Set("DPoP", kept) }
	again := use(r, c, token)
	d.Send = nil
	r.Should(good(r, first) && !good(r, again), "RFC 9449 §11.1", "a proof is good once", again)
}
