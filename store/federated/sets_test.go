package federated_test

import (
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestRaiseSignedSet: the time of the newest signed JWK Set of an app only rises (OpenID
// Federation 1.0 §5.2.1).
func TestRaiseSignedSet(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, row := range []struct {
			name   string
			id     string
			issued time.Time
			raised bool
		}{
			{"without a time, the first", "https://a.example.vn", time.Time{}, true},
			{"without a time, again", "https://a.example.vn", time.Time{}, true},
			{"with one", "https://a.example.vn", noon, true},
			{"the same again", "https://a.example.vn", noon, true},
			{"an older one", "https://a.example.vn", noon.Add(-time.Second), false},
			{"without a time, after one with it", "https://a.example.vn", time.Time{}, false},
			{"a newer one", "https://a.example.vn", noon.Add(time.Second), true},
			{"the one before", "https://a.example.vn", noon, false},
			{"an older one of another app", "https://b.example.vn", noon.Add(-time.Hour), true},
		} {
			raised, err := db.RaiseSignedSet(t.Context(), authz.ClientID(row.id), row.issued)
			if err != nil || raised != row.raised {
				t.Errorf("%s: %v, %v, want %v", row.name, raised, err, row.raised)
			}
		}
	})
}
