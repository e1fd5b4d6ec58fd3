package losses

import (
	"errors"
	"maps"
	"testing"

	"hopnhat/authz/audit/trees"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
)

// TestTheLookBeginsWhereRowsMayBeMissing: at the place that a start noted, or at the end of what
// the database recorded; and at the first place where it knows nothing that counts.
func TestTheLookBeginsWhereRowsMayBeMissing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		seven, far := uint64(7), uint64(900)
		for origin, missing := range map[string]*uint64{"whole": nil, "noted": &seven, "noted beyond the end": &far, "altered": &far} {
			head := trees.Head{Log: "log", Origin: origin, Size: 500, Writer: "w", VerifierKey: "k", Missing: missing}
			if err := db.Heads.Begin(t.Context(), head); err != nil {
				t.Fatal(err)
			}
		}
		other := trees.Head{Log: "other", Origin: "other", Size: 3, Writer: "w", VerifierKey: "k"}
		_, bent := db.Pool().ExecContext(t.Context(), "UPDATE log_shards SET size = 400 WHERE origin = 'altered'")
		if err := errors.Join(bent, db.Heads.Begin(t.Context(), other)); err != nil {
			t.Fatal(err)
		}
		l := Losses{DB: db, Archives: []*tlog.Archive{{Log: "log"}, {Log: "other"}}}
		from, err := l.missing(t.Context())
		want := map[string]uint64{"whole": 500, "noted": 7, "noted beyond the end": 500, "other": 3}
		if err != nil || !maps.Equal(from, want) {
			t.Errorf("it begins at %v (%v), want %v", from, err, want)
		}
	})
}
