package weather_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/federation/weather"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

type claims = federationtest.Claims

// TestWeather: what ends first comes first, with the statement that ends; who is out of reach,
// has one key, or signs weakly is named in its branch; one in which nobody is trusted comes before.
func TestWeather(t *testing.T) {
	now := federationtest.Now
	neo, hue, danang := federationtest.New(t, "https://neo.example.vn"), federationtest.New(t, "https://hue.example.vn"),
		federationtest.New(t, "https://danang.example.vn")
	app, lost := federationtest.New(t, "https://app.danang.example.vn"), federationtest.New(t, "https://lost.example.vn")
	below := func(e *federationtest.Entity) claims { return claims{"authority_hints": []federation.EntityID{e.ID}} }
	soon := claims{"exp": now.Add(time.Hour).Unix()}
	var all []statement.Statement
	for _, token := range []string{
		neo.Configuration(t, nil), neo.About(t, hue, nil), hue.Configuration(t, below(neo)), neo.About(t, danang, nil),
		danang.Configuration(t, below(neo)),
		danang.About(t, app, soon), app.Configuration(t, below(danang)), neo.About(t, lost, claims{"jwks": neo.JWKS(t)}),
		lost.Configuration(t, below(neo)), weakly(t, neo.ID),
	} {
		all = append(all, federationtest.Parse(t, token))
	}
	anchors := []trust.Anchor{{ID: neo.ID, Keys: neo.Set(t)}}
	all = append(all, federationtest.Parse(t, neo.About(t, federationtest.New(t, "https://weak.example.vn"), nil)))
	pool := trust.Collect(all...)
	var verdicts []trust.Verdict
	for _, s := range all {
		if s.IsConfiguration() {
			verdicts = append(verdicts, trust.Preferred(s.Subject, pool, anchors, now)...)
		}
	}
	f := weather.Of(verdicts, []weather.Failure{
		{Issuer: hue.ID, Subject: hue.ID, Error: "no answer"},
		{Issuer: danang.ID, Error: "no list"},
	}, now)
	var order []federation.EntityID
	for _, b := range f.Branches {
		order = append(order, b.Entity)
	}
	if want := []federation.EntityID{lost.ID, "https://weak.example.vn", danang.ID, hue.ID, neo.ID}; !slices.Equal(order, want) {
		t.Fatalf("the order is %v, want %v", order, want)
	}
	if f.Trusted != 4 || f.Refused != 2 || f.Unreachable() != 2 || f.OneKey() != 6 || f.Weak() != 1 ||
		!f.FirstEnd.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v", f)
	}
	if b := f.Branches[2]; b.Trusted != 2 || b.EndsIssuer != danang.ID || b.Ends != app.ID ||
		!slices.Equal(b.Unreachable, []federation.EntityID{danang.ID}) {
		t.Errorf("got %+v", b)
	}
	if b := f.Branches[1]; !slices.Equal(b.Weak, []federation.EntityID{"https://weak.example.vn"}) || b.Refused != 1 ||
		!b.FirstEnd.IsZero() {
		t.Errorf("got %+v", b)
	}
	if f.Failures[0].Issuer != danang.ID {
		t.Errorf("failures are in no order: %v", f.Failures)
	}
	if none := weather.Of(nil, nil, now); none.Trusted != 0 || !none.FirstEnd.IsZero() || len(none.Branches) != 0 {
		t.Errorf("got %+v", none)
	}
}

// weakly is a configuration that is signed with RS256.
func weakly(t *testing.T, superior federation.EntityID) string {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.MarshalSet([]keys.PublicKey{{Handle: keys.Handle{KeyID: "a", Algorithm: keys.RS256}, Key: private.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	input := part(claims{"typ": statement.Type, "alg": "RS256", "kid": "a"}) + "." + part(claims{
		"iss": "https://weak.example.vn", "sub": "https://weak.example.vn", "iat": federationtest.Now.Unix(),
		"exp": federationtest.Now.Add(time.Hour).Unix(), "jwks": json.RawMessage(set),
		"authority_hints": []federation.EntityID{superior},
	})
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}
