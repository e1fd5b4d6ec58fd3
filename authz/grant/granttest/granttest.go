// Package granttest holds what a [grant.Store] promises, for every implementation to show:
// the database, and the fakes of tests.
package granttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/request"
)

var at = time.Date(2026, 11, 30, 5, 0, 0, 0, time.UTC)

// none comes with a request that spends nothing.
var none clientauth.Assertion

// New is a grant of one code that nobody has redeemed.
func New() grant.Grant {
	return grant.Grant{
		ID: authz.GrantID(authz.NewID()), ClientID: "app", Principal: authz.Herself("p"), Session: "s", Profile: authz.OIDC, Scope: []string{"openid"},
		Level: 2, Methods: []string{"pwd", "otp"}, AuthTime: at, Created: at, Expires: at.Add(time.Hour),
		Request:  request.Authorization{ClientID: "app", RedirectURI: "https://app.example/cb", ResponseType: "code"},
		CodeHash: authz.HashSecret(authz.NewSecret()), CodeExpires: at.Add(time.Minute), RefreshSalt: []byte("salt"),
	}
}

// Run shows each promise on a store. Its InsertGrant makes the session and the account that
// a grant needs, where the store asks for them.
func Run(t *testing.T, s grant.Store) {
	for _, promise := range []struct {
		name string
		show func(t *testing.T, s grant.Store)
	}{
		{"what is not there is not found", notFound},
		{"a request is answered once", pending},
		{"a grant answers its request, or there is none", answers},
		{"a grant is read as it was written", roundTrip},
		{"RFC 6749 §4.1.2: a code is good once", redeem},
		{"RFC 9700 §4.14.2: a generation is left once", rotate},
		{"an ended grant stays as it ended", revoke},
		{"Grant Management §5.2: a line of grants has one id", line},
		{"RFC 7523 §3, RFC 9449 §11.1: what is spent is spent", spend},
		{"RFC 7523 §3, RFC 9449 §11.1: what comes with a request is spent with it", spendWith},
		{"RFC 7009 §2: a token that was revoked is remembered", revokeToken},
		{"a transaction that failed leaves nothing", transaction},
	} {
		t.Run(promise.name, func(t *testing.T) { promise.show(t, s) })
	}
}

// want fails unless an error is of a kind; nil wants none.
func want(t *testing.T, what string, err, kind error) {
	t.Helper()
	if kind == nil && err != nil || kind != nil && !errors.Is(err, kind) {
		t.Errorf("%s: got %v, want %v", what, err, kind)
	}
}

// insert stores a grant, redeemed or not.
func insert(t *testing.T, s grant.Store, g grant.Grant, redeemed bool) grant.Grant {
	t.Helper()
	want(t, "inserting a grant", s.InsertGrant(t.Context(), g, ""), nil)
	if redeemed {
		want(t, "redeeming its code", s.RedeemCode(t.Context(), g.ID, authz.Confirmation{JKT: "k"}, at, none), nil)
	}
	return g
}

func read(t *testing.T, s grant.Store, id authz.GrantID) grant.Grant {
	t.Helper()
	g, err := s.Grant(t.Context(), id)
	want(t, "reading a grant", err, nil)
	return g
}

func notFound(t *testing.T, s grant.Store) {
	_, err := s.Pending(t.Context(), "nobody's")
	want(t, "a request", err, authz.ErrNotFound)
	_, err = s.Grant(t.Context(), authz.GrantID(authz.NewID()))
	want(t, "a grant", err, authz.ErrNotFound)
	_, err = s.GrantByCode(t.Context(), authz.HashSecret("nobody's"))
	want(t, "a code", err, authz.ErrNotFound)
	_, err = s.GrantByPublicID(t.Context(), authz.GrantID(authz.NewID()))
	want(t, "a public id", err, authz.ErrNotFound)
}

func pending(t *testing.T, s grant.Store) {
	p := grant.Pending{
		ID: authz.AuthorizationID(authz.NewSecret()), Pushed: true, Created: at, Expires: at.Add(time.Minute),
		Request: request.Authorization{ClientID: "app", State: "s1"},
	}
	want(t, "inserting", s.InsertPending(t.Context(), p, none), nil)
	want(t, "finishing", s.FinishPending(t.Context(), p.ID, at.Add(time.Second), "error=access_denied"), nil)
	want(t, "finishing again", s.FinishPending(t.Context(), p.ID, at.Add(2*time.Second), ""), authz.ErrConflict)
	got, err := s.Pending(t.Context(), p.ID)
	want(t, "reading", err, nil)
	if !got.Pushed || got.Request.State != "s1" || !got.Finished.Equal(at.Add(time.Second)) || got.Refused != "error=access_denied" {
		t.Errorf("got %+v", got)
	}
}

func answers(t *testing.T, s grant.Store) {
	waiting := func() authz.AuthorizationID {
		p := grant.Pending{ID: authz.AuthorizationID(authz.NewSecret()), Created: at, Expires: at.Add(time.Minute)}
		want(t, "inserting a request", s.InsertPending(t.Context(), p, none), nil)
		return p.ID
	}
	finished := func(id authz.AuthorizationID) time.Time {
		p, err := s.Pending(t.Context(), id)
		want(t, "reading a request", err, nil)
		return p.Finished
	}
	acting := New()
	acting.Principal = authz.Acting("p", authz.Represented{Subject: "q", Kind: authz.Organisation}, "m")
	for _, g := range []grant.Grant{New(), acting} {
		id := waiting()
		want(t, "answering", s.InsertGrant(t.Context(), g, id), nil)
		if got := finished(id); !got.Equal(g.Created) {
			t.Errorf("the request was finished at %s, want the time of the grant", got)
		}
		if got := read(t, s, g.ID); !got.Principal.Equal(g.Principal) {
			t.Errorf("the grant is of %v", got.Principal)
		}
		again := g
		again.ID, again.CodeHash = authz.GrantID(authz.NewID()), authz.HashSecret(authz.NewSecret())
		want(t, "answering again", s.InsertGrant(t.Context(), again, id), authz.ErrConflict)
		_, err := s.Grant(t.Context(), again.ID)
		want(t, "the grant of the second answer", err, authz.ErrNotFound)
	}
	id, failed := waiting(), errors.New("failed")
	want(t, "a transaction", s.Tx(t.Context(), func(ctx context.Context) error {
		want(t, "answering", s.InsertGrant(ctx, New(), id), nil)
		return failed
	}), failed)
	if got := finished(id); !got.IsZero() {
		t.Error("a transaction that failed finished a request")
	}
}

func roundTrip(t *testing.T, s grant.Store) {
	g := insert(t, s, New(), false)
	byCode, err := s.GrantByCode(t.Context(), g.CodeHash)
	want(t, "reading by the code", err, nil)
	for _, got := range []grant.Grant{byCode, read(t, s, g.ID)} {
		if got.ID != g.ID || got.Principal != g.Principal || got.Request.RedirectURI != g.Request.RedirectURI ||
			!got.CodeExpires.Equal(g.CodeExpires) ||
			!got.CodeSpent.IsZero() || !got.Revoked.IsZero() || got.Live(at) {
			t.Errorf("got %+v", got)
		}
	}
}

func redeem(t *testing.T, s grant.Store) {
	g := insert(t, s, New(), true)
	want(t, "redeeming again", s.RedeemCode(t.Context(), g.ID, authz.Confirmation{JKT: "other"}, at, none), authz.ErrConflict)
	if got := read(t, s, g.ID); got.Bound.JKT != "k" || !got.Live(at) || got.Live(g.Expires) {
		t.Errorf("got %+v", got)
	}
	ended := insert(t, s, New(), false)
	want(t, "revoking", s.Revoke(t.Context(), ended.ID, "ended", at), nil)
	want(t, "redeeming an ended one", s.RedeemCode(t.Context(), ended.ID, authz.Confirmation{}, at, none), authz.ErrConflict)
}

func rotate(t *testing.T, s grant.Store) {
	g := insert(t, s, New(), true)
	want(t, "rotating", s.Rotate(t.Context(), g.ID, 0, at.Add(time.Second), none), nil)
	want(t, "rotating again", s.Rotate(t.Context(), g.ID, 0, at.Add(2*time.Second), none), authz.ErrConflict)
	if got := read(t, s, g.ID); got.RefreshGeneration != 1 || !got.RefreshRotated.Equal(at.Add(time.Second)) {
		t.Errorf("got generation %d of %s", got.RefreshGeneration, got.RefreshRotated)
	}
	want(t, "rotating an expired one", s.Rotate(t.Context(), g.ID, 1, g.Expires, none), authz.ErrConflict)
	want(t, "revoking", s.Revoke(t.Context(), g.ID, "ended", at), nil)
	want(t, "rotating an ended one", s.Rotate(t.Context(), g.ID, 1, at, none), authz.ErrConflict)
}

func revoke(t *testing.T, s grant.Store) {
	g := insert(t, s, New(), false)
	want(t, "revoking", s.Revoke(t.Context(), g.ID, "first", at), nil)
	want(t, "revoking again", s.Revoke(t.Context(), g.ID, "second", at.Add(time.Second)), nil)
	if got := read(t, s, g.ID); got.RevokedBecause != "first" || !got.Revoked.Equal(at) || !got.CodeSpent.Equal(at) || got.Live(at) {
		t.Errorf("got %+v", got)
	}
}

func line(t *testing.T, s grant.Store) {
	first := insert(t, s, New(), false)
	_, err := s.GrantByPublicID(t.Context(), first.ID)
	want(t, "one that was not redeemed", err, authz.ErrNotFound)
	want(t, "redeeming", s.RedeemCode(t.Context(), first.ID, authz.Confirmation{}, at, none), nil)
	next := New()
	next.Continues, next.Created = first.ID, at.Add(time.Second)
	insert(t, s, next, true)
	got, err := s.GrantByPublicID(t.Context(), first.ID)
	want(t, "the newest of the line", err, nil)
	if got.ID != next.ID {
		t.Errorf("got %s, want %s, which goes on", got.ID, next.ID)
	}
	want(t, "superseding", s.Supersede(t.Context(), next, at), nil)
	if got := read(t, s, first.ID); got.Live(at) {
		t.Errorf("the grant before lives on: %+v", got)
	}
	if got := read(t, s, next.ID); !got.Live(at) {
		t.Errorf("the grant that goes on has ended: %+v", got)
	}
	want(t, "superseding again", s.Supersede(t.Context(), next, at), authz.ErrConflict)
	goesOn := func(of grant.Grant, kind error) {
		once := clientauth.Assertion{
			Digest: authz.HashSecret(authz.NewSecret()), Expires: at,
			Proof: clientauth.Proof{Digest: authz.HashSecret(authz.NewSecret()), Expires: at},
		}
		want(t, "redeeming one that goes on", grant.Redeem(t.Context(), s, &of, authz.Confirmation{}, at, once), kind)
		want(t, "what came with it", s.Spend(t.Context(), once), clientauth.ErrAssertionUsed)
		want(t, "the proof that came with it", s.Spend(t.Context(), clientauth.Assertion{Proof: once.Proof}), clientauth.ErrProofUsed)
	}
	third := New()
	third.Continues, third.Created = first.ID, at.Add(2*time.Second)
	insert(t, s, third, false)
	goesOn(third, nil)
	if got := read(t, s, next.ID); got.Live(at) {
		t.Errorf("the second grant lives on: %+v", got)
	}
	goesOn(third, authz.ErrConflict) // its code again
	late := New()
	late.Continues, late.Created = first.ID, at.Add(3*time.Second)
	insert(t, s, late, false)
	want(t, "revoking", s.Revoke(t.Context(), third.ID, "ended", at), nil)
	goesOn(late, grant.ErrOver)
	if got := read(t, s, late.ID); !got.CodeSpent.IsZero() || got.Live(at) {
		t.Errorf("what had ended came back: %+v", got)
	}
}

func spend(t *testing.T, s grant.Store) {
	once := func(name, proof string) clientauth.Assertion {
		a := clientauth.Assertion{Expires: at, Proof: clientauth.Proof{Expires: at}}
		if name != "" {
			a.Digest = authz.HashSecret(name)
		}
		if proof != "" {
			a.Proof.Digest = authz.HashSecret(proof)
		}
		return a
	}
	want(t, "nothing", s.Spend(t.Context(), once("", "")), nil)
	want(t, "nothing again", s.Spend(t.Context(), once("", "")), nil)
	want(t, "both", s.Spend(t.Context(), once("a", "p")), nil)
	want(t, "the assertion again", s.Spend(t.Context(), once("a", "")), authz.ErrConflict)
	want(t, "the proof again", s.Spend(t.Context(), once("b", "p")), clientauth.ErrProofUsed)
	want(t, "another proof alone", s.Spend(t.Context(), once("", "q")), nil)
}

// spendWith: an assertion or a proof that came before stops what it comes with, and what is
// new is spent, whatever becomes of the rest.
func spendWith(t *testing.T, s grant.Store) {
	fresh := func() clientauth.Assertion {
		return clientauth.Assertion{
			Digest: authz.HashSecret(authz.NewSecret()), Expires: at,
			Proof: clientauth.Proof{Digest: authz.HashSecret(authz.NewSecret()), Expires: at},
		}
	}
	redeemed := insert(t, s, New(), true)
	for _, row := range []struct {
		name string
		// begin makes something to write to; write writes to it, and written reports
		// whether it did.
		begin func() (write func(once clientauth.Assertion) error, written func() bool)
		// late is what the write answers when it comes again with what is fresh.
		late error
	}{
		{"a pushed request", func() (func(clientauth.Assertion) error, func() bool) {
			p := grant.Pending{ID: authz.AuthorizationID(authz.NewSecret()), Created: at, Expires: at.Add(time.Minute)}
			return func(once clientauth.Assertion) error { return s.InsertPending(t.Context(), p, once) }, func() bool {
				_, err := s.Pending(t.Context(), p.ID)
				return err == nil
			}
		}, nil},
		{"a code", func() (func(clientauth.Assertion) error, func() bool) {
			g := insert(t, s, New(), false)
			return func(once clientauth.Assertion) error {
					return s.RedeemCode(t.Context(), g.ID, authz.Confirmation{}, at, once)
				},
				func() bool { return !read(t, s, g.ID).CodeSpent.IsZero() }
		}, authz.ErrConflict},
		{"a refresh token", func() (func(clientauth.Assertion) error, func() bool) {
			g := insert(t, s, New(), true)
			return func(once clientauth.Assertion) error { return s.Rotate(t.Context(), g.ID, 0, at, once) },
				func() bool { return read(t, s, g.ID).RefreshGeneration == 1 }
		}, authz.ErrConflict},
	} {
		write, written := row.begin()
		assertionUsed, proofUsed, last := fresh(), fresh(), fresh()
		want(t, row.name+": spending before", s.Spend(t.Context(), clientauth.Assertion{Digest: assertionUsed.Digest, Expires: at}), nil)
		want(t, row.name+": spending before", s.Spend(t.Context(), clientauth.Assertion{Proof: proofUsed.Proof}), nil)
		want(t, row.name+" with a used assertion", write(assertionUsed), clientauth.ErrAssertionUsed)
		want(t, row.name+" with a used proof", write(proofUsed), clientauth.ErrProofUsed)
		if written() {
			t.Errorf("%s was written with what was used before", row.name)
		}
		proofUsed.Proof = last.Proof // of the failed write nothing stayed: its assertion is good
		want(t, row.name, write(proofUsed), nil)
		if !written() {
			t.Errorf("%s was not written", row.name)
		}
		want(t, row.name+": its assertion again", s.Spend(t.Context(), clientauth.Assertion{Digest: proofUsed.Digest, Expires: at}),
			clientauth.ErrAssertionUsed)
		want(t, row.name+": its proof again", s.Spend(t.Context(), clientauth.Assertion{Proof: proofUsed.Proof}), clientauth.ErrProofUsed)
		if row.late != nil {
			late := fresh()
			want(t, row.name+", a second time", write(late), row.late)
			want(t, row.name+": what came the second time", s.Spend(t.Context(), late), clientauth.ErrAssertionUsed)
		}
	}
	late := fresh()
	want(t, "an expired grant", s.Rotate(t.Context(), redeemed.ID, 0, redeemed.Expires, late), authz.ErrConflict)
	want(t, "what came with it", s.Spend(t.Context(), late), clientauth.ErrAssertionUsed)
}

func revokeToken(t *testing.T, s grant.Store) {
	digest := authz.HashSecret(authz.NewSecret())
	revoked, err := s.TokenRevoked(t.Context(), digest)
	want(t, "asking before", err, nil)
	if revoked {
		t.Error("revoked before it was")
	}
	want(t, "revoking", s.RevokeToken(t.Context(), digest, at.Add(time.Minute)), nil)
	if revoked, err = s.TokenRevoked(t.Context(), digest); err != nil || !revoked {
		t.Errorf("got %v, %v after it was revoked", revoked, err)
	}
}

func transaction(t *testing.T, s grant.Store) {
	g, failed := insert(t, s, New(), false), errors.New("failed")
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		return s.Tx(ctx, func(ctx context.Context) error { // joins
			if err := s.RedeemCode(ctx, g.ID, authz.Confirmation{}, at, none); err != nil {
				return err
			}
			return failed
		})
	})
	want(t, "the transaction", err, failed)
	if got := read(t, s, g.ID); !got.CodeSpent.IsZero() {
		t.Errorf("the code was spent by a transaction that failed: %+v", got)
	}
}
