package resource_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/resource"
)

// shelf keeps resources and counts how often it was asked.
type shelf struct {
	resources map[string]*authz.Resource
	asked     int
	down      bool
}

func (s *shelf) Resource(_ context.Context, id string) (*authz.Resource, error) {
	s.asked++
	if s.down {
		return nil, authz.ErrUnavailable
	}
	r, ok := s.resources[id]
	if !ok {
		return nil, authz.ErrNotFound
	}
	return r, nil
}

func TestDirectory(t *testing.T) {
	const id = "https://land.example/api"
	now := time.Date(2026, 11, 25, 5, 0, 0, 0, time.UTC)
	s := &shelf{resources: map[string]*authz.Resource{id: {ID: id}}}
	d := resource.NewDirectory(s, 0, func() time.Time { return now })
	for range 3 {
		if r, err := d.Resource(t.Context(), id); err != nil || r.ID != id {
			t.Fatal(r, err)
		}
	}
	if s.asked != 1 {
		t.Errorf("a known resource was looked for %d times", s.asked)
	}
	if _, err := d.Resource(t.Context(), "https://unknown.example"); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	s.resources[id] = &authz.Resource{ID: id, Disabled: true}
	now = now.Add(5 * time.Second)
	if _, err := d.Resource(t.Context(), id); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("disabled, five seconds later: %v", err)
	}
	s.down = true
	if _, err := d.Resource(t.Context(), id); !errors.Is(err, authz.ErrUnavailable) || errors.Is(err, authz.ErrNotFound) {
		t.Errorf("could not look is not the same as not there: %v", err)
	}
}

func TestCheck(t *testing.T) {
	right := func() *authz.Resource {
		return &authz.Resource{ID: "https://land.example/api", Name: authz.LocalizedText{VI: "Đất đai"}, Owner: authz.LocalizedText{VI: "Đà Nẵng"}, Scopes: []string{"land.read"}}
	}
	for _, row := range []struct {
		name   string
		change func(*authz.Resource)
		ok     bool
	}{
		{"complete", func(*authz.Resource) {}, true},
		{"loopback for development", func(r *authz.Resource) { r.ID = "http://localhost:9000/api" }, true},
		{"another algorithm", func(r *authz.Resource) { r.SigningAlg = "EdDSA" }, true},
		{"RFC 8707 §2: a fragment", func(r *authz.Resource) { r.ID += "#x" }, false},
		{"RFC 8707 §2: an empty fragment", func(r *authz.Resource) { r.ID += "#" }, false},
		{"RFC 8707 §2: relative", func(r *authz.Resource) { r.ID = "/api" }, false},
		{"a query", func(r *authz.Resource) { r.ID += "?a=b" }, false},
		{"a user", func(r *authz.Resource) { r.ID = "https://u@land.example" }, false},
		{"not https", func(r *authz.Resource) { r.ID = "http://land.example" }, false},
		{"two ways to write one URL", func(r *authz.Resource) { r.ID = "HTTPS://land.example/api" }, false},
		{"an endpoint of this server", func(r *authz.Resource) { r.ID = "https://id.example/broker/v1" }, false},
		{"this server", func(r *authz.Resource) { r.ID = "https://id.example" }, false},
		{"no name", func(r *authz.Resource) { r.Name.VI = "" }, false},
		{"no owner", func(r *authz.Resource) { r.Owner.VI = "" }, false},
		{"an algorithm that FAPI does not know", func(r *authz.Resource) { r.SigningAlg = "RS256" }, false},
		{"no algorithm", func(r *authz.Resource) { r.SigningAlg = "none" }, false},
		{"RFC 6749 §3.3: a scope with a space", func(r *authz.Resource) { r.Scopes = []string{"a b"} }, false},
		{"RFC 6749 §3.3: an empty scope", func(r *authz.Resource) { r.Scopes = []string{""} }, false},
		{"a scope twice", func(r *authz.Resource) { r.Scopes = []string{"a", "a"} }, false},
		{"a scope of this server", func(r *authz.Resource) { r.Scopes = []string{"openid"} }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := right()
			row.change(r)
			if err := resource.Check(r, "https://id.example", []string{"openid"}); (err == nil) != row.ok {
				t.Fatalf("got %v", err)
			}
		})
	}
}
