package delegation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/delegation"
)

const issuer = "https://id.example"

var ministry = authz.TrustedIssuer{Issuer: "https://ci.ministry.example", Subjects: []string{"nightly-report"}, Audience: []string{land}, MaxLife: 120}

func assertion(change func(map[string]any)) json.RawMessage {
	claims := map[string]any{
		"iss": ministry.Issuer, "sub": "nightly-report", "aud": issuer, "jti": "1", "exp": noon.Add(time.Minute).Unix(), "iat": noon.Unix(), "nbf": noon.Unix(),
	}
	if change != nil {
		change(claims)
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return raw
}

func TestCheckAssertion(t *testing.T) {
	set := func(name string, value any) func(map[string]any) {
		return func(m map[string]any) { m[name] = value }
	}
	for _, row := range []struct {
		name   string
		change func(map[string]any)
		ok     bool
	}{
		{"RFC 7523 §3: as it should be", nil, true},
		{"RFC 7523 §3(3): aud as a list of us alone", set("aud", []string{issuer}), true},
		{"RFC 7523 §3(5): nbf within a clock's error", set("nbf", noon.Add(9*time.Second).Unix()), true},
		{"RFC 7523 §3(1): no iss", set("iss", nil), false},
		{"RFC 7523 §3(1): another iss", set("iss", "https://evil.example"), false},
		{"RFC 7523 §3(2): no sub", set("sub", nil), false},
		{"RFC 7523 §3(2): a sub that is not registered", set("sub", "root"), false},
		{"RFC 7523 §3(2): a person's number", set("sub", "099304000017"), false},
		{"RFC 7523 §3(3): no aud", set("aud", nil), false},
		{"RFC 7523 §3(3): another server", set("aud", "https://other.example"), false},
		{"RFC 7523 §3(3): another server beside us", set("aud", []string{issuer, "https://other.example"}), false},
		{"RFC 7523 §3(3): the token endpoint", set("aud", issuer+"/token"), false},
		{"RFC 7523 §3(4): no exp", set("exp", nil), false},
		{"RFC 7523 §3(4): expired", set("exp", noon.Unix()), false},
		{"RFC 7523 §3(4): longer than registered", set("exp", noon.Add(121*time.Second).Unix()), false},
		{"RFC 7523 §3(4): in the year 5138", set("exp", 1e12), false},
		{"RFC 7523 §3(5): nbf ahead", set("nbf", noon.Add(11*time.Second).Unix()), false},
		{"RFC 7523 §3(6): iat ahead", set("iat", noon.Add(11*time.Second).Unix()), false},
		{"RFC 7523 §3(7): no jti", set("jti", nil), false},
		{"RFC 7523 §3(7): an over-long jti", set("jti", strings.Repeat("j", 257)), false},
		{"a wrong type", set("sub", 7), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := delegation.CheckAssertion(assertion(row.change), ministry, issuer, noon)
			if (err == nil) != row.ok {
				t.Fatalf("got %v, %v", got, err)
			}
			if err != nil && authz.AsError(err).Code != authz.InvalidGrant {
				t.Fatalf("RFC 7523 §3.1: the code is %v", err)
			}
			if row.ok && got.Principal != "https://ci.ministry.example#nightly-report" {
				t.Fatalf("it is for %q", got.Principal)
			}
		})
	}
}

func TestCheckTrust(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*authz.TrustedIssuer)
		ok     bool
	}{
		{"complete", func(*authz.TrustedIssuer) {}, true},
		{"no issuer", func(i *authz.TrustedIssuer) { i.Issuer = "" }, false},
		{"an issuer with a fragment could name another's service", func(i *authz.TrustedIssuer) { i.Issuer += "#x" }, false},
		{"no subjects: any would do", func(i *authz.TrustedIssuer) { i.Subjects = nil }, false},
		{"no audience", func(i *authz.TrustedIssuer) { i.Audience = nil }, false},
		{"a subject that is a number", func(i *authz.TrustedIssuer) { i.Subjects = []string{"099304000017"} }, false},
		{"a subject with a fragment", func(i *authz.TrustedIssuer) { i.Subjects = []string{"a#b"} }, false},
		{"a life of a day", func(i *authz.TrustedIssuer) { i.MaxLife = 86400 }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := ministry
			row.change(&i)
			if err := delegation.CheckTrust(i); (err == nil) != row.ok {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// FuzzCheckAssertion: what is accepted names a registered service, us alone, and
// ends within the registered life, by a second reading.
func FuzzCheckAssertion(f *testing.F) {
	f.Add(string(assertion(nil)))
	f.Add(`{"iss":"https://ci.ministry.example","sub":"nightly-report","aud":"https://id.example","exp":1e10,"jti":"x"}`)
	f.Fuzz(func(t *testing.T, claims string) {
		got, err := delegation.CheckAssertion(json.RawMessage(claims), ministry, issuer, noon)
		if err != nil {
			return
		}
		var again struct {
			Subject string `json:"sub"`
			Issuer  string `json:"iss"`
		}
		if json.Unmarshal([]byte(claims), &again) != nil || again.Issuer != ministry.Issuer ||
			got.Principal != again.Issuer+"#"+again.Subject ||
			got.ID == "" || !got.Expires.After(noon) || got.Expires.After(noon.Add(2*time.Minute)) {
			t.Fatalf("%q was accepted as %+v", claims, got)
		}
	})
}
