package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/trust"
	"hopnhat/federation/upstream"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// ring has one key.
type ring struct {
	keys.Ring
	handle keys.Handle
	key    *ecdsa.PrivateKey
}

func newRing(t *testing.T) *ring {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := jose.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &ring{handle: keys.Handle{Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: id}, key: key}
}

func (r *ring) Active(keys.Use, keys.Algorithm) (keys.Handle, error) { return r.handle, nil }

func (r *ring) Sign(_ context.Context, jobs ...keys.Job) (out [][]byte, err error) {
	for _, job := range jobs {
		digest := sha256.Sum256(job.Input)
		a, b, err := ecdsa.Sign(rand.Reader, r.key, digest[:])
		if err != nil {
			return nil, err
		}
		out = append(out, append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...))
	}
	return out, nil
}

func (r *ring) set(t *testing.T) []byte {
	t.Helper()
	set, err := jose.MarshalSet([]keys.PublicKey{{Handle: r.handle, Key: r.key.Public(), State: keys.Active}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const metadata = `{"issuer": "https://op.example", "authorization_endpoint": "https://op.example/a", "token_endpoint": "https://op.example/t",
	"jwks_uri": "https://op.example/jwks", "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
	"token_endpoint_auth_methods_supported": ["private_key_jwt"]}`

// there is a provider, and this server beside it.
type there struct {
	*Client
	t       *testing.T
	own, op *ring
	now     time.Time
	silent  bool
	asked   int
	sent    outbound.Message
	verdict trust.Verdict
	p       *upstream.Provider
}

func newThere(t *testing.T, way upstream.Trust) *there {
	t.Helper()
	list, err := upstream.Parse([]byte(`{"providers": [{"alias": "op", "name": {"vi": "A", "en": "A"}, "issuer": "https://op.example",
		"client_id": "us", "levels": {"2": 2}, "trust": "`+string(way)+`"}]}`), false)
	if err != nil {
		t.Fatal(err)
	}
	o := &there{t: t, own: newRing(t), op: newRing(t), now: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), p: list[0]}
	o.Client = New(Options{
		Out: func(*upstream.Provider) Outbound { return o }, Ring: o.own, Resolver: o, Now: func() time.Time { return o.now },
	})
	return o
}

func (o *there) Fetch(_ context.Context, address string, _ int64) ([]byte, error) {
	o.asked++
	switch {
	case o.silent:
		return nil, errors.New("no answer")
	case strings.HasSuffix(address, "/jwks"):
		return o.op.set(o.t), nil
	}
	return []byte(metadata), nil
}

func (o *there) Post(_ context.Context, m outbound.Message) (outbound.Answer, error) {
	o.sent = m
	signed, err := jose.Sign(o.t.Context(), o.op, jose.Token{
		Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "JWT",
		Claims: map[string]any{
			"iss": "https://op.example", "sub": "1", "aud": "us", "exp": o.now.Unix() + 60, "iat": o.now.Unix(), "nonce": "n", "acr": "2",
			"auth_time": o.now.Unix(),
		},
	})
	if err != nil {
		return outbound.Answer{}, err
	}
	body, err := json.Marshal(map[string]string{"id_token": signed[0]})
	return outbound.Answer{Status: 200, Body: body}, err
}

func (o *there) Resolved(federation.EntityID, ...federation.EntityID) (trust.Verdict, bool) {
	return o.verdict, o.verdict.Metadata != nil
}

func (o *there) redeem() error {
	o.t.Helper()
	id, err := o.Redeem(o.t.Context(), o.p, "https://us.example/callback", "code", upstream.Ask{Nonce: "n", Verifier: "v", Begun: o.now})
	if err == nil && id.Subject != "1" {
		o.t.Errorf("got %+v", id)
	}
	return err
}

// TestWhatIsAsked: metadata and keys are fetched once and kept, and what the code is exchanged
// with names this server to that provider alone.
func TestWhatIsAsked(t *testing.T) {
	o := newThere(t, upstream.ByDiscovery)
	for range 3 {
		if err := o.redeem(); err != nil {
			t.Fatal(err)
		}
	}
	if o.asked != 2 {
		t.Errorf("%d requests, want one for the metadata and one for the keys", o.asked)
	}
	form, err := url.ParseQuery(o.sent.Body)
	if err != nil || o.sent.URL != "https://op.example/t" {
		t.Fatalf("sent to %s, %v", o.sent.URL, err)
	}
	for name, want := range map[string]string{
		"grant_type": "authorization_code", "code": "code", "code_verifier": "v", "redirect_uri": "https://us.example/callback", "client_id": "us",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	} {
		if form.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, form.Get(name), want)
		}
	}
	set, err := jose.ParseSet(o.own.set(t))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jose.Verify(form.Get("client_assertion"), set, jose.Rule{Type: AssertionType, Algorithms: []keys.Algorithm{keys.ES256}})
	var c assertion
	if err != nil || json.Unmarshal(v.Claims, &c) != nil || c.Issuer != "us" || c.Subject != "us" || c.Audience != "https://op.example" ||
		c.ID == "" || c.Expires-c.Issued != 60 {
		t.Errorf("RFC 7523 §3: got %+v, %v", c, err)
	}
}

// TestKeysThatChange: a token under a new key has the keys fetched again, once in a while.
func TestKeysThatChange(t *testing.T) {
	o := newThere(t, upstream.ByDiscovery)
	if err := o.redeem(); err != nil {
		t.Fatal(err)
	}
	o.op = newRing(t)
	o.now = o.now.Add(pause)
	if err := o.redeem(); err != nil || o.asked != 3 {
		t.Errorf("OpenID Connect Core §10.1.1: a new key: %v, %d requests", err, o.asked)
	}
	o.op = newRing(t)
	if err := o.redeem(); err == nil || o.asked != 3 {
		t.Errorf("another at once, which could be anybody's: %v, %d requests, want no more of them", err, o.asked)
	}
}

// TestAProviderThatIsSilent: what is known goes on for a day, and it is not asked all the time.
func TestAProviderThatIsSilent(t *testing.T) {
	o := newThere(t, upstream.ByDiscovery)
	o.silent = true
	for range 3 {
		var r *upstream.Refusal
		if err := o.redeem(); !errors.As(err, &r) || r.Reason != upstream.Silent || o.asked != 1 {
			t.Fatalf("from the beginning: %v, %d requests", err, o.asked)
		}
	}
	o.silent, o.now = false, o.now.Add(pause)
	if err := o.redeem(); err != nil {
		t.Fatalf("when it answers again: %v", err)
	}
	o.silent, o.now = true, o.now.Add(time.Hour)
	if err := o.redeem(); err != nil {
		t.Errorf("silent for an hour: %v", err)
	}
	o.now = o.now.Add(stale)
	if err := o.redeem(); err == nil {
		t.Error("silent for a day, and its old keys still count")
	}
}

// TestTrustByAFederation: metadata and keys are those of the chain, no request is made for them,
// and none counts when the chain has ended (OpenID Federation 1.0 §10.4).
func TestTrustByAFederation(t *testing.T) {
	o := newThere(t, upstream.ByFederation)
	var parameters federation.Parameters
	raw := strings.Replace(metadata, `"jwks_uri": "https://op.example/jwks"`, `"jwks": `+string(o.op.set(t)), 1)
	if err := json.Unmarshal([]byte(raw), &parameters); err != nil {
		t.Fatal(err)
	}
	if err := o.redeem(); err == nil {
		t.Error("an entity that nobody vouches for")
	}
	good := trust.Verdict{Expiry: o.now.Add(time.Hour), Metadata: federation.Metadata{federation.OpenIDProvider: parameters}}
	o.verdict = good
	if err := o.redeem(); err != nil || o.asked != 0 {
		t.Errorf("an entity that the anchor vouches for: %v, %d requests", err, o.asked)
	}
	o.verdict.Err = errors.New("revoked")
	if err := o.redeem(); err == nil {
		t.Error("an entity whose chain does not hold")
	}
	o.verdict = good
	o.now = o.now.Add(time.Hour)
	if err := o.redeem(); err == nil {
		t.Error("OpenID Federation 1.0 §10.4: a chain that has ended")
	}
}
