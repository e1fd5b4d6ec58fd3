package federated

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/store/handle"
)

var _ clientauth.SignedSets = Members{}

// RaiseSignedSet makes a time that of the newest signed JWK Set of an app, and reports whether it
// is now: false, and nothing changes, where a later one is known. A zero time is before all.
func (db Members) RaiseSignedSet(ctx context.Context, id authz.ClientID, issued time.Time) (bool, error) {
	if issued.IsZero() {
		issued = time.Unix(0, 0)
	}
	var known []time.Time
	err := db.Reader(ctx).Raw("SELECT issued_at FROM signed_key_sets WHERE client_id = ?", string(id)).Scan(&known).Error
	if err != nil || len(known) > 0 && !known[0].Before(issued) { // most sets are that of before: nothing is written
		return err == nil && known[0].Equal(issued), handle.Wrap("reading how new the signed keys of an app are", err)
	}
	n, err := db.Change(ctx, "keeping how new the signed keys of an app are", `INSERT INTO signed_key_sets (client_id, issued_at) VALUES (?, ?)
		ON CONFLICT (client_id) DO UPDATE SET issued_at = excluded.issued_at WHERE signed_key_sets.issued_at <= excluded.issued_at`,
		string(id), issued.UTC())
	return n > 0, err
}
