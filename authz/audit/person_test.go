package audit

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

// TestByAPrincipal: the event of a person who acts for herself has the bytes that it had
// before there were principals, and that of one who acts for another is about that other
// and comes back whole.
func TestByAPrincipal(t *testing.T) {
	const company = "pseudonym-in-evidence-of-company"
	rapid.Check(t, func(t *rapid.T) {
		actor := rapid.SampledFrom([]authz.Subject{"an", "binh"}).Draw(t, "actor")
		pseudonym := "pseudonym-in-evidence-of-" + string(actor)
		sealed := func(a Act) Sealed {
			e, err := newScribe(newRows(), nil).event(t.Context(), &a, must(ruleOf(Agree)))
			if err != nil {
				t.Fatal(err)
			}
			one := must(e.Seal(a.Salt))
			back, err := Parse(one.Canonical)
			if err != nil || back.Person != one.Event.Person {
				t.Fatalf("got %+v, %v, want %+v", back.Person, err, one.Event.Person)
			}
			return one
		}
		plain := full(Agree)
		plain.ID, plain.Actor = authz.NewID(), ""
		before := plain
		before.Subject = actor
		if got, want := sealed(plain.By(authz.Herself(actor))), sealed(before); !bytes.Equal(got.Canonical, want.Canonical) ||
			got.Event.Person != (Person{Pseudonym: pseudonym, Relation: "self"}) {
			t.Fatalf("for herself: got %s, want %s", got.Canonical, want.Canonical)
		}
		acting := authz.Acting(actor, authz.Represented{
			Subject: "company", Kind: rapid.SampledFrom([]authz.Kind{authz.Organisation, authz.Citizen}).Draw(t, "kind"),
		}, authz.MandateID(rapid.StringMatching(`m-[a-z0-9]{1,12}`).Draw(t, "mandate")))
		want := Person{Pseudonym: company, Actor: pseudonym, Kind: acting.For.Kind, Mandate: acting.Mandate, Relation: "represented"}
		if got := sealed(plain.By(acting)).Event.Person; got != want {
			t.Fatalf("for another: got %+v, want %+v", got, want)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
