package delegation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/delegation"
)

var noon = time.Date(2026, 11, 25, 5, 0, 0, 0, time.UTC)

const (
	userinfo = "https://id.example/userinfo"
	land     = "https://land.example/api"
	tax      = "https://tax.example/api"
)

var known = map[string][]string{userinfo: {"openid"}, land: {"land.read", "land.write"}, tax: {"land.read", "tax.read"}}

func find(id string) (delegation.Target, bool) {
	scopes, ok := known[id]
	return delegation.Target{ID: id, Scopes: scopes}, ok
}

func token(change func(*delegation.Subject)) delegation.Subject {
	s := delegation.Subject{
		Type: authz.TokenTypeAccess, Client: "app", Audience: []string{land}, Scope: []string{"land.read", "land.write"}, Expires: noon.Add(2 * time.Minute),
	}
	if change != nil {
		change(&s)
	}
	return s
}

func chain(n int) *delegation.Actor {
	var a *delegation.Actor
	for i := range n {
		a = &delegation.Actor{Subject: fmt.Sprint("b", i), Client: authz.ClientID(fmt.Sprint("b", i)), Act: a}
	}
	return a
}

func TestExchange(t *testing.T) {
	rules := []authz.ExchangeRule{
		{Clients: []authz.ClientID{"app"}, SubjectAudience: []string{land}, Audience: []string{tax}, Scope: []string{"land.read", "tax.read"}},
		{Clients: []authz.ClientID{"app"}, SubjectTokenTypes: []string{authz.TokenTypeID}, Audience: []string{userinfo}, Scope: []string{"openid"}},
		{Clients: []authz.ClientID{"two"}, SubjectAudience: []string{land}, Audience: []string{tax, userinfo, "https://gone.example"}},
	}
	self := delegation.Actor{Subject: "backend", Client: "backend"}
	for _, row := range []struct {
		name    string
		subject delegation.Subject
		wish    delegation.Wish
		code    authz.Code
		want    string // audience and scope
	}{
		{"RFC 8693 §2.1: the only target that a rule leads to", token(nil), delegation.Wish{}, "", tax + " [land.read]"},
		{"RFC 8693 §2.1: named by audience or resource", token(nil), delegation.Wish{Targets: []string{tax}}, "", tax + " [land.read]"},
		{"RFC 8693 §2.1: named by both, the same", token(nil), delegation.Wish{Targets: []string{tax, tax}}, "", tax + " [land.read]"},
		{"RFC 8693 §2.1: a scope within", token(nil), delegation.Wish{Scope: []string{"land.read"}}, "", tax + " [land.read]"},
		{"an ID token says who, and no more", token(func(s *delegation.Subject) {
			s.Type, s.Audience, s.Scope = authz.TokenTypeID, nil, []string{"openid"}
		}), delegation.Wish{}, "", userinfo + " [openid]"},
		{"RFC 8693 §4.4: may_act names this app", token(func(s *delegation.Subject) { s.MayAct = &delegation.Party{Subject: "backend"} }), delegation.Wish{}, "", tax + " [land.read]"},
		{"a rule without scope gives none", token(func(s *delegation.Subject) { s.Client = "two" }), delegation.Wish{Targets: []string{userinfo}}, "", userinfo + " []"},

		{"RFC 8693 §2.2.2: two targets", token(nil), delegation.Wish{Targets: []string{tax, land}}, authz.InvalidTarget, ""},
		{"RFC 8693 §2.2.2: a target that no rule names", token(nil), delegation.Wish{Targets: []string{userinfo}}, authz.InvalidTarget, ""},
		{"RFC 8693 §2.2.2: several targets and none named", token(func(s *delegation.Subject) { s.Client = "two" }), delegation.Wish{}, authz.InvalidTarget, ""},
		{"RFC 8693 §2.2.2: a target that is gone", token(func(s *delegation.Subject) { s.Client = "two" }), delegation.Wish{Targets: []string{"https://gone.example"}}, authz.InvalidTarget, ""},
		{"RFC 6749 §5.2: a scope the subject token has not", token(nil), delegation.Wish{Scope: []string{"tax.read"}}, authz.InvalidScope, ""},
		{"RFC 6749 §5.2: a scope the target knows not", token(nil), delegation.Wish{Scope: []string{"land.write"}}, authz.InvalidScope, ""},
		{"default deny: another app's token", token(func(s *delegation.Subject) { s.Client = "other" }), delegation.Wish{}, authz.InvalidRequest, ""},
		{"default deny: a token for another audience", token(func(s *delegation.Subject) { s.Audience = []string{userinfo} }), delegation.Wish{}, authz.InvalidRequest, ""},
		{"default deny: an ID token where the rule is for access tokens", token(func(s *delegation.Subject) {
			s.Type, s.Client, s.Audience = authz.TokenTypeID, "two", nil
		}), delegation.Wish{}, authz.InvalidRequest, ""},
		{"RFC 8693 §4.4: may_act names another", token(func(s *delegation.Subject) { s.MayAct = &delegation.Party{Subject: "another"} }), delegation.Wish{}, authz.InvalidRequest, ""},
		{"an expired subject token", token(func(s *delegation.Subject) { s.Expires = noon }), delegation.Wish{}, authz.InvalidRequest, ""},
		{"a chain of actors that is full", token(func(s *delegation.Subject) { s.Act = chain(delegation.MaxDepth) }), delegation.Wish{}, authz.InvalidRequest, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, refusal := delegation.Exchange(rules, self, row.subject, row.wish, find, noon, noon.Add(5*time.Minute))
			switch {
			case refusal == nil && row.code != "", refusal != nil && refusal.Code != row.code:
				t.Fatalf("got %v %v, want %s", got, refusal, row.code)
			case refusal == nil && fmt.Sprint(got.Audience, " ", got.Scope) != row.want:
				t.Fatalf("got %s %v, want %s", got.Audience, got.Scope, row.want)
			}
		})
	}
	t.Run("without rules nothing", func(t *testing.T) {
		if _, refusal := delegation.Exchange(nil, self, token(nil), delegation.Wish{}, find, noon, noon.Add(time.Hour)); refusal == nil {
			t.Fatal("it was exchanged")
		}
	})
}

// TestNothingGrows: whatever the rules, the token and the wish are, scope and life
// do not grow, the audience is one of a rule that names the token's app, the type
// and the audience it was for, and every actor there was is in the chain.
func TestNothingGrows(t *testing.T) {
	apps := []authz.ClientID{"app", "two", "three"}
	targets := []string{userinfo, land, tax}
	scopes := []string{"openid", "land.read", "land.write", "tax.read"}
	some := func(list []string) *rapid.Generator[[]string] {
		return rapid.SliceOfDistinct(rapid.SampledFrom(list), rapid.ID[string])
	}
	rapid.Check(t, func(t *rapid.T) {
		var rules []authz.ExchangeRule
		for range rapid.IntRange(0, 3).Draw(t, "rules") {
			rules = append(rules, authz.ExchangeRule{
				Clients: rapid.SliceOf(rapid.SampledFrom(apps)).Draw(t, "clients"), SubjectAudience: some(targets).Draw(t, "from"),
				SubjectTokenTypes: some([]string{authz.TokenTypeAccess, authz.TokenTypeID}).Draw(t, "types"),
				Audience:          some(targets).Draw(t, "to"), Scope: some(scopes).Draw(t, "scope"),
			})
		}
		s := delegation.Subject{
			Type:   rapid.SampledFrom([]string{authz.TokenTypeAccess, authz.TokenTypeID}).Draw(t, "type"),
			Client: rapid.SampledFrom(apps).Draw(t, "of"), Audience: some(targets).Draw(t, "for"), Scope: some(scopes).Draw(t, "with"),
			Expires: noon.Add(time.Duration(rapid.IntRange(-10, 900).Draw(t, "life")) * time.Second),
			Act:     chain(rapid.IntRange(0, 5).Draw(t, "depth")),
		}
		w := delegation.Wish{Targets: some(targets).Draw(t, "wanted")}
		if rapid.Bool().Draw(t, "names scope") {
			w.Scope = append([]string{}, some(scopes).Draw(t, "wanted scope")...)
		}
		latest := noon.Add(5 * time.Minute)
		got, refusal := delegation.Exchange(rules, delegation.Actor{Subject: "svc", Client: "backend"}, s, w, find, noon, latest)
		if refusal != nil {
			return
		}
		if got.Expires.After(s.Expires) || got.Expires.After(latest) || !got.Expires.After(noon) {
			t.Fatalf("it lives until %v, the subject token until %v", got.Expires, s.Expires)
		}
		led := false
		for _, r := range rules {
			types := r.SubjectTokenTypes
			if len(types) == 0 {
				types = []string{authz.TokenTypeAccess}
			}
			from := s.Type == authz.TokenTypeID ||
				slices.ContainsFunc(r.SubjectAudience, func(a string) bool { return slices.Contains(s.Audience, a) })
			if slices.Contains(r.Clients, s.Client) && slices.Contains(types, s.Type) && from && slices.Contains(r.Audience, got.Audience) {
				led = true
			}
		}
		if !led || len(w.Targets) > 0 && !slices.Contains(w.Targets, got.Audience) {
			t.Fatalf("no rule leads to %s", got.Audience)
		}
		for _, one := range got.Scope {
			if !slices.Contains(s.Scope, one) || !slices.Contains(known[got.Audience], one) {
				t.Fatalf("scope %q grew", one)
			}
		}
		before, after := s.Act.Chain(), got.Act.Chain()
		if len(after) != len(before)+1 || len(after) > delegation.MaxDepth || after[0].Client != "backend" || after[0].Subject != "svc" {
			t.Fatalf("%d actors became %d", len(before), len(after))
		}
		for i := range before {
			if after[i+1].Client != before[i].Client || after[i+1].Subject != before[i].Subject {
				t.Fatalf("actor %d was lost", i)
			}
		}
	})
}
