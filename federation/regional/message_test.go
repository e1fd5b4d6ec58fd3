package regional

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// FuzzRequest: whatever is posted, a request that is read says the same when it is written and
// read again.
func FuzzRequest(f *testing.F) {
	f.Add(`{"iss":"https://a.example.vn","aud":"https://b.example.vn","iat":1,"exp":2,"jti":"0123456789abcdef","after":"","jwks":{"keys":[]}}`)
	f.Add(`{"iss":"a","iss":"b"}`)
	f.Add(`{"after":1}`)
	f.Add(`{"since":1800000000000000,"rule":"0a"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var q, again request
		if decode([]byte(text), &q) != nil {
			return
		}
		raw, err := json.Marshal(q)
		if err != nil {
			return // jwks may be what is no JSON after all
		}
		if err := decode(raw, &again); err != nil {
			t.Fatalf("%s became %s: %v", text, raw, err)
		}
		if again.claims != q.claims || again.After != q.After || again.Since != q.Since || again.Rule != q.Rule {
			t.Fatalf("%s became %s", text, raw)
		}
	})
}

// FuzzPerson: a person who is taken has a name of version 8 and, unless locked, all that a sign-in
// needs; no error repeats what was said of her.
func FuzzPerson(f *testing.F) {
	f.Add(`{"sub":"01a22f05-1d47-809c-a90f-191374f93526","kind":"citizen","level":2,"number":"099000000001","password":"$argon2id$","totp":"AAAAAAAAAAAAAAAAAAAAAAAAAAA=","totp_step":5}`)
	f.Add(`{"sub":"01a22f05-1d47-809c-a90f-191374f93526","locked":true}`)
	f.Add(`{"sub":"01a22f05-1d47-709c-a90f-191374f93526","locked":true}`)
	f.Add(`{"sub":"01a22f05-1d47-809c-a90f-191374f93526","version":7,"gone":true}`)
	f.Fuzz(func(t *testing.T, text string) {
		var p person
		if decode([]byte(text), &p) != nil {
			return
		}
		err := p.check()
		whole := len(p.Number) == 12 && p.Password != "" && len(p.Seed) >= 16
		if err == nil && (len(p.Subject) != 36 || p.Subject[14] != '8' || !p.Locked && !p.Gone && !whole || p.Version < 0) {
			t.Fatalf("%s was taken", text)
		}
		if err != nil && len(p.Number) > 5 && strings.Contains(err.Error(), p.Number) {
			t.Fatalf("%v has the number", err)
		}
		if printed := fmt.Sprintf("%v %+v %#v %s", p, p, p, p); len(p.Password) > 25 && strings.Contains(printed, p.Password) {
			t.Fatalf("printed: %s", printed)
		}
	})
}

// TestPersonOf: RFC 9562 §5.8: a province knows each person by a UUID of version 8, always the
// same, which two persons never share.
func TestPersonOf(t *testing.T) {
	key := keytest.GoldenKey(seal.RegionalPeople)
	if got := personOf(key, "0199a7c2-1111-7000-8000-000000000001"); got != golden {
		t.Errorf("a person has another name than in the release before: %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := authz.Subject(rapid.String().Draw(t, "a")), authz.Subject(rapid.String().Draw(t, "b"))
		one := personOf(key, a)
		if (person{Subject: one, Locked: true}).check() != nil || one != personOf(key, a) || (one == personOf(key, b)) != (a == b) {
			t.Fatalf("%q became %s", a, one)
		}
	})
}

// golden is a promise: accounts at provinces bear these names.
const golden = authz.Subject("7ce3c769-e024-8ea5-a38b-a6948daa5c87")

// TestClaims: RFC 7519 §4.1: a message is of one entity for another, and of this minute.
func TestClaims(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	good := claims{"https://a.example.vn", "https://b.example.vn", now.Unix(), now.Add(life).Unix(), "0123456789abcdef"}
	for _, row := range []struct {
		name   string
		change func(c *claims)
		want   bool
	}{
		{"as it is", func(*claims) {}, true},
		{"a clock that is a minute ahead", func(c *claims) { c.IssuedAt += 60; c.Expiry += 60 }, true},
		{"a clock that is two minutes ahead", func(c *claims) { c.IssuedAt += 121; c.Expiry += 121 }, false},
		{"over", func(c *claims) { c.Expiry = now.Unix() }, false},
		{"a long life", func(c *claims) { c.Expiry += 61 }, false},
		{"of another", func(c *claims) { c.Issuer = "https://c.example.vn" }, false},
		{"for another", func(c *claims) { c.Audience = "https://c.example.vn" }, false},
		{"a short jti", func(c *claims) { c.ID = "0123" }, false},
		{"a long jti", func(c *claims) { c.ID = strings.Repeat("x", 65) }, false},
	} {
		c := good
		row.change(&c)
		if err := c.check("https://a.example.vn", "https://b.example.vn", now); (err == nil) != row.want {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
