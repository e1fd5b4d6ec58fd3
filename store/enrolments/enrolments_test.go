package enrolments_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/enrol"
	"hopnhat/federation/mark"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func subordinate(id string) enrol.Subordinate {
	return enrol.Subordinate{
		ID: federation.EntityID(id), State: enrol.Active, ProposedBy: "a", ApprovedBy: "b", By: "b", Since: noon,
		Terms: enrol.Terms{
			Organization: "Đà Nẵng", Agreement: "12/2026", Level: 3, Types: []federation.EntityType{federation.FederationEntity},
			Keys: json.RawMessage(`{"keys":[]}`), Until: noon.AddDate(1, 0, 0),
		},
	}
}

// TestSubordinates: a record comes back as it was kept, in the order of names, and two steps
// from one state do not both count.
func TestSubordinates(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, book := t.Context(), db.Enrolments
		if _, err := book.Subordinate(ctx, "https://a.example.vn"); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("before it is there: %v", err)
		}
		for _, id := range []string{"https://b.example.vn", "https://a.example.vn", "https://c.example.vn"} {
			if err := book.SaveSubordinate(ctx, subordinate(id)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := book.Subordinate(ctx, "https://b.example.vn")
		want := subordinate("https://b.example.vn")
		want.Revision = 1
		got.Terms.Keys = slices.DeleteFunc(got.Terms.Keys, func(b byte) bool { return b == ' ' }) // jsonb spaces its members
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
		page, err := book.Subordinates(ctx, "", 2)
		if err != nil || len(page) != 2 || page[0].ID != "https://a.example.vn" || page[1].ID != "https://b.example.vn" {
			t.Fatalf("the first page is %v, %v", page, err)
		}
		if rest, err := book.Subordinates(ctx, page[1].ID, 2); err != nil || len(rest) != 1 || rest[0].ID != "https://c.example.vn" {
			t.Fatalf("the second page is %v, %v", rest, err)
		}
		for _, row := range []struct {
			part  string
			state enrol.State
			after federation.EntityID
			want  int
		}{
			{"", "", "", 3},
			{"b.ex", "", "", 1},
			{"B.Ex", "", "", 1},
			{"%", "", "", 0},
			{"_", "", "", 0},
			{`\`, "", "", 0},
			{"", enrol.Active, "", 3},
			{"", enrol.Revoked, "", 0},
			{"example", "", "https://b.example.vn", 1},
		} {
			if found, err := book.Search(ctx, row.part, row.state, row.after, 10); err != nil || len(found) != row.want {
				t.Errorf("%+v: got %d, %v", row, len(found), err)
			}
		}
		if found, err := book.Search(ctx, "", "", "", 2); err != nil || len(found) != 2 || found[1].ID != "https://b.example.vn" {
			t.Errorf("two at most: %v, %v", found, err)
		}
		if err := book.SaveSubordinate(ctx, subordinate("https://b.example.vn")); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("added twice: %v", err)
		}
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() {
				after, err := got.Suspend(fmt.Sprint("op", i), "keys lost", noon)
				if err == nil {
					err = book.SaveSubordinate(ctx, after)
				}
				errs[i] = err
			})
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, authz.ErrConflict) {
				t.Error(err)
			}
		}
		if now, err := book.Subordinate(ctx, got.ID); won != 1 || err != nil || now.State != enrol.Suspended || now.Revision != 2 {
			t.Errorf("%d of 8 counted: %+v, %v", won, now, err)
		}
	})
}

// TestNobodyAlone: the database too lets nothing be active that one person brought into force.
func TestNobodyAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, approved := range map[string]string{"the same": "a", "nobody": ""} {
			alone := subordinate("https://a.example.vn")
			alone.ApprovedBy = approved
			if err := db.Enrolments.SaveSubordinate(t.Context(), alone); err == nil {
				t.Errorf("%s: it was kept", name)
			}
		}
	})
}

// TestMarks: marks by type and holder, and who holds one that is active.
func TestMarks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, book := t.Context(), db.Enrolments
		grant := func(kind, id string, until time.Time) enrol.Mark {
			m, err := enrol.Mark{Type: kind, Subject: federation.EntityID(id)}.Grant("a", until, noon)
			if err == nil {
				err = book.SaveMark(ctx, m)
			}
			if err != nil {
				t.Fatal(err)
			}
			m.Revision = 1
			return m
		}
		if _, err := book.Mark(ctx, "k1", "https://a.example.vn"); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("before it is there: %v", err)
		}
		first := grant("k1", "https://a.example.vn", time.Time{})
		grant("k1", "https://b.example.vn", noon.Add(time.Hour))
		grant("k2", "https://a.example.vn", time.Time{})
		revoked := grant("k2", "https://c.example.vn", time.Time{})
		if got, err := book.Mark(ctx, "k1", first.Subject); err != nil || !reflect.DeepEqual(got, first) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, first)
		}
		revoked, err := revoked.Revoke("b", "order 3", noon)
		if err == nil {
			err = book.SaveMark(ctx, revoked)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := book.SaveMark(ctx, revoked); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("revoked twice: %v", err)
		}
		if err := book.SaveMark(ctx, enrol.Mark{Type: "k1", Subject: first.Subject}); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("added twice: %v", err)
		}
		if got, err := book.Mark(ctx, "k2", revoked.Subject); err != nil || got.Status(noon) != mark.Revoked {
			t.Errorf("got %+v, %v", got, err)
		}
		for _, row := range []struct {
			name, kind string
			now        time.Time
			after      federation.EntityID
			want       []federation.EntityID
		}{
			{"of one type", "k1", noon, "", []federation.EntityID{"https://a.example.vn", "https://b.example.vn"}},
			{"one that has expired holds none", "k1", noon.Add(time.Hour), "", []federation.EntityID{"https://a.example.vn"}},
			{"a revoked one is none", "k2", noon, "", []federation.EntityID{"https://a.example.vn"}},
			{"of any type, each once", "", noon, "", []federation.EntityID{"https://a.example.vn", "https://b.example.vn"}},
			{"the next page", "", noon, "https://a.example.vn", []federation.EntityID{"https://b.example.vn"}},
			{"of a type that nobody has", "k3", noon, "", nil},
		} {
			if got, err := book.Holders(ctx, row.kind, row.now, row.after, 10); err != nil || !slices.Equal(got, row.want) {
				t.Errorf("%s: got %v, %v", row.name, got, err)
			}
		}
	})
}
