package audit

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/audit/commitment"
)

func TestShownGroupsLeadToTheSameLeaf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, salt := events().Draw(t, "event"), NewSalt()
		want, err := Leaf(e, salt)
		if err != nil {
			t.Fatal(err)
		}
		show := rapid.SliceOfDistinct(rapid.SampledFrom(commitment.Groups()), rapid.ID).Draw(t, "shown")
		d, err := e.Disclose(salt, show...)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		if got := d.Leaf(); !bytes.Equal(got, want) {
			t.Fatalf("leaf %x, want %x", got, want)
		}
		if wrong := d.Mismatch(); len(wrong) > 0 {
			t.Fatalf("mismatch in %v", wrong)
		}
		for i, p := range d.Parts {
			if p.Shown != slices.Contains(show, p.Group) {
				t.Fatalf("group %q shown: %v", p.Group, p.Shown)
			}
			if !p.Shown {
				if p.JSON != nil || p.Salt != (commitment.GroupSalt{}) {
					t.Fatalf("the withheld group %q tells something", p.Group)
				}
				continue
			}
			// Whoever changes what is shown is found out.
			changed := d
			changed.Parts = slices.Clone(d.Parts)
			changed.Parts[i].JSON = append(bytes.Clone(p.JSON), ' ')
			if got := changed.Mismatch(); !slices.Equal(got, []commitment.Group{p.Group}) {
				t.Fatalf("changed %q, mismatch in %v", p.Group, got)
			}
			changed.Parts[i].Digest[0] ^= 1
			if bytes.Equal(changed.Leaf(), want) {
				t.Fatalf("the digest of %q is not committed to", p.Group)
			}
		}
	})
}

func TestTwoSaltsShareNothing(t *testing.T) {
	a, err := sample().Disclose(NewSalt())
	if err != nil {
		t.Fatal(err)
	}
	b, err := sample().Disclose(NewSalt())
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Parts {
		if a.Parts[i].Digest == b.Parts[i].Digest {
			t.Errorf("group %q has one digest under two salts", a.Parts[i].Group)
		}
		for j := range i {
			if a.Parts[i].Digest == a.Parts[j].Digest {
				t.Errorf("groups %q and %q have one digest", a.Parts[i].Group, a.Parts[j].Group)
			}
		}
	}
	if bytes.Equal(a.Leaf(), b.Leaf()) {
		t.Error("one leaf under two salts")
	}
}

func TestDiscloseRefusesAGroupOfNobody(t *testing.T) {
	if _, err := sample().Disclose(NewSalt(), "religion"); err == nil {
		t.Fatal("accepted")
	}
}

func TestLeaf(t *testing.T) {
	leaf, err := Leaf(sample(), NewSalt())
	if err != nil {
		t.Fatal(err)
	}
	eventType, c, err := commitment.ParseLeaf(leaf)
	if err != nil || eventType != string(ReleasePermitted) || !bytes.Equal(commitment.Leaf(eventType, c), leaf) {
		t.Fatalf("got %q %v %v", eventType, c, err)
	}
	if len(leaf) != 1+len(ReleasePermitted)+32 {
		t.Errorf("%d bytes: a leaf holds version, type and commitment, no identifier and no time", len(leaf))
	}
	for _, row := range []struct {
		name string
		leaf []byte
	}{
		{"nothing", nil},
		{"a commitment only", leaf[len(leaf)-32:]},
		{"no type", append([]byte{1}, leaf[len(leaf)-32:]...)},
		{"another version", append([]byte{2}, leaf[1:]...)},
		{"a type with a digit", append([]byte{1, 'a', '1'}, leaf[len(leaf)-32:]...)},
		{"a type without end", append([]byte{1}, bytes.Repeat([]byte("a"), 97)...)},
	} {
		if _, _, err := commitment.ParseLeaf(row.leaf); err == nil {
			t.Errorf("%s: accepted", row.name)
		}
	}
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(commitment.Leaf("release.permitted", commitment.Commitment{1}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		eventType, c, err := commitment.ParseLeaf(raw)
		if err == nil && !bytes.Equal(commitment.Leaf(eventType, c), raw) {
			t.Fatalf("accepted %x as %q", raw, eventType)
		}
	})
}

// TestSeenFrom: what the law hides from the person stays hidden, whoever asks by which
// way.
func TestSeenFrom(t *testing.T) {
	decided := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	until := decided.AddDate(1, 0, 0)
	for _, row := range []struct {
		name string
		v    Visibility
		from time.Time
		ever bool
	}{
		{"nothing said", Visibility{}, decided, true},
		{"at once", Visibility{Sight: Visible}, decided, true},
		{"delayed", Visibility{Sight: Delayed, Until: until}, until, true},
		{"delayed without an end", Visibility{Sight: Delayed}, time.Time{}, false},
		{"hidden", Visibility{Sight: Hidden}, time.Time{}, false},
		{"hidden, with an end that counts for nothing", Visibility{Sight: Hidden, Until: until}, time.Time{}, false},
		{"a word of tomorrow", Visibility{Sight: "sealed"}, time.Time{}, false},
	} {
		if from, ever := row.v.SeenFrom(decided); from != row.from || ever != row.ever {
			t.Errorf("%s: %v, %v", row.name, from, ever)
		}
	}
}
