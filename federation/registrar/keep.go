package registrar

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/protocol"
	apps "hopnhat/authz/registration"
	"hopnhat/federation"
	"hopnhat/federation/registration"
	"hopnhat/federation/trust"
)

// take makes a valid verdict the registration of an app, c or nil if there is none yet, and
// gives the client that the app is then.
func (r *Registrar) take(
	ctx context.Context, v trust.Verdict, way registration.Way, c *authz.Client, kept Kept,
) (*authz.Client, error) {
	now := r.o.Now().UTC()
	if c != nil {
		switch {
		case c.Disabled: // an operator's word, which no chain undoes
			return c, nil
		case !c.Membership.Lapsed(now) && registration.Digest(v, r.o.Rules) == kept.Digest && kept.Way == way,
			v.Chain[0].IssuedAt.Before(kept.Issued):
			return r.standing(c, now)
		}
	}
	key := refusalKey(registration.Digest(v, r.o.Rules), way, kept)
	if known, _, ok := r.seen.Get(key); ok && now.Before(known.until) {
		return nil, known.refused
	}
	// One at a time looks at all apps, whoever asks.
	if err := r.taking.Acquire(ctx, 1); err != nil {
		return nil, authz.AsError(fmt.Errorf("waiting to register an app: %w: %w", authz.ErrUnavailable, err))
	}
	defer r.taking.Release(1)
	taken, err := r.judge(ctx, v, way, c, kept)
	if said := (*authz.Error)(nil); errors.As(err, &said) && said.Code != authz.TemporarilyUnavailable {
		r.seen.Put(key, outcome{until: now.Add(time.Minute), refused: err}, r.o.Now())
	}
	return taken, err
}

// refusalKey names a chain that was refused, with what it was held against.
func refusalKey(chain [sha256.Size]byte, way registration.Way, kept Kept) [sha256.Size]byte {
	return sha256.Sum256(slices.Concat([]byte("refused "+string(way)), chain[:], kept.Digest[:]))
}

// judge is take for a chain that is new here.
func (r *Registrar) judge(
	ctx context.Context, v trust.Verdict, way registration.Way, c *authz.Client, kept Kept,
) (*authz.Client, error) {
	now := r.o.Now().UTC()
	issuers := func(id federation.EntityID) (trust.Verdict, bool) { return r.resolved(id) }
	found, err := registration.Decide(v, way, issuers, r.o.Rules, now)
	if err != nil {
		return nil, err
	}
	next := Kept{Membership: found.Client.Membership, Way: way, Issued: found.Issued, Digest: found.Digest, Refreshed: now}
	if c != nil {
		// Refresh tokens would tell it the names that another sector knows its people by.
		if found.Client.Sector != c.Sector {
			return nil, refuse(authz.InvalidMetadata, "12.1",
				"redirect_uris are of another host than when the app was registered, and people would go by the names of another sector")
		}
		settle(c, found.Client)
		if same(c, found.Client) {
			return r.renew(ctx, c, kept, next)
		}
	}
	// It is new, or has changed: what no chain can tell is looked at too.
	if err := r.paced(way, c, kept, now); err != nil {
		return nil, err
	}
	rules := r.o.Rules
	if rules.Checks.Known, err = apps.KnownApps(ctx, r.o.Store.Clients); err != nil {
		return nil, err
	}
	again, err := registration.Decide(v, way, issuers, rules, now)
	if err != nil {
		return nil, err
	}
	if c == nil {
		again.Client.CreatedAt = now
		return r.join(ctx, again.Client, next)
	}
	settle(c, again.Client)
	return r.change(ctx, c, again.Client, kept, next)
}

// changePause is how long an app whose metadata were taken waits before other ones are: it signs
// as many chains as it likes, and each change is an event.
const changePause = 10 * time.Second

// paced refuses an app that is new or has changed for now: whoever names one causes a row and
// an event. Explicit registration has limits of its own.
func (r *Registrar) paced(way registration.Way, c *authz.Client, kept Kept, now time.Time) error {
	wait := time.Duration(0)
	switch {
	case way == registration.Explicit:
	case c != nil:
		wait = changePause - now.Sub(kept.Refreshed)
	case r.o.Pace != nil:
		wait = r.o.Pace()
	}
	if wait <= 0 {
		return nil
	}
	return &authz.Error{
		Code: authz.TemporarilyUnavailable, RetryAfter: max(time.Second, wait.Round(time.Second)), Cause: protocol.ErrTooMany,
		Description: "many apps of the federation are being registered, or this one was changed just now; send the same request again",
	}
}

// settle keeps of a registration what a newer chain does not change: when it was made, and the
// word for the agency where nothing changed that it was given for, or an operator took it back.
// The word of a federation goes with its chain.
func settle(before, c *authz.Client) {
	c.CreatedAt = before.CreatedAt
	operators := !c.Verified.Holds() && !strings.HasPrefix(before.Verified.By, "federation:")
	if before.Verified.WasTakenBack() || before.Owner == c.Owner && (before.Verified.By == c.Verified.By || operators) {
		c.Verified = before.Verified
	}
}

// same reports whether two registrations of an app say the same.
func same(before, c *authz.Client) bool {
	return before.Verified == c.Verified && bytes.Equal(before.JWKSSignedBy, c.JWKSSignedBy) &&
		before.Membership.Anchor == c.Membership.Anchor &&
		reflect.DeepEqual(apps.Of(before), apps.Of(c))
}

// join registers an app at the first use of its chain.
func (r *Registrar) join(ctx context.Context, c *authz.Client, k Kept) (*authz.Client, error) {
	acts, err := apps.Acts(audit.ClientRegistered, nil, c)
	if err != nil {
		return nil, err
	}
	err = r.recorded(ctx, c.ID, k, acts, func(ctx context.Context) error { return r.o.Store.JoinClient(ctx, c, k) })
	if errors.Is(err, authz.ErrConflict) {
		return r.meanwhile(ctx, c.ID)
	}
	return c, err
}

// renew keeps a newer chain of an app that is as it was. That is no event, unless trust had
// been withdrawn.
func (r *Registrar) renew(ctx context.Context, c *authz.Client, read, k Kept) (*authz.Client, error) {
	var acts []audit.Act
	if !read.Ended.IsZero() {
		acts = append(acts, apps.Act(audit.ClientTrustRestored, c))
	}
	err := r.recorded(ctx, c.ID, k, acts, func(ctx context.Context) error { return r.o.Store.RenewClient(ctx, c.ID, read, k, nil) })
	return r.after(ctx, c, k, err)
}

// change keeps a newer chain of an app whose metadata are others now.
func (r *Registrar) change(ctx context.Context, before, c *authz.Client, read, k Kept) (*authz.Client, error) {
	acts, err := apps.Acts(audit.ClientUpdated, before, c)
	if err != nil {
		return nil, err
	}
	if !read.Ended.IsZero() {
		acts = append(acts, apps.Act(audit.ClientTrustRestored, c))
	}
	err = r.recorded(ctx, c.ID, k, acts, func(ctx context.Context) error { return r.o.Store.RenewClient(ctx, c.ID, read, k, c) })
	return r.after(ctx, c, k, err)
}

// after is the client after its chain was kept, or what another node made of it meanwhile.
func (r *Registrar) after(ctx context.Context, c *authz.Client, k Kept, err error) (*authz.Client, error) {
	switch {
	case errors.Is(err, authz.ErrConflict):
		return r.meanwhile(ctx, c.ID)
	case err != nil:
		return nil, err
	}
	renewed := *c
	renewed.Membership = k.Membership
	return &renewed, nil
}

// end ends a registration whose app is trusted no more.
func (r *Registrar) end(ctx context.Context, v trust.Verdict, c *authz.Client, read Kept) error {
	k, now := read, r.o.Now().UTC()
	k.Ended, k.Expires, k.Refreshed = now, now, now
	act := apps.Act(audit.ClientTrustEnded, c)
	if n := len(v.Trail); n > 0 {
		act.Detail.Text = commitment.Bounded("OpenID Federation 1.0 §" + v.Trail[n-1].Section + ": " + v.Trail[n-1].Want)
	}
	err := r.recorded(ctx, c.ID, k, []audit.Act{act}, func(ctx context.Context) error {
		return r.o.Store.RenewClient(ctx, c.ID, read, k, nil)
	})
	if errors.Is(err, authz.ErrConflict) {
		return nil // another node did, or took a newer chain, which the next look judges
	}
	return err
}

// meanwhile is the client as another node made it.
func (r *Registrar) meanwhile(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	c, _, err := r.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.standing(c, r.o.Now())
}

// recorded does a change with its events in one transaction. The events name the anchor and
// the chain.
func (r *Registrar) recorded(
	ctx context.Context, id authz.ClientID, k Kept, acts []audit.Act, change func(ctx context.Context) error,
) error {
	for i := range acts {
		acts[i].At = k.Refreshed
		acts[i].Decision.Determining = []string{"chain:" + hex.EncodeToString(k.Digest[:])} // and the anchor, by the app
	}
	err := r.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := change(ctx); err != nil || len(acts) == 0 {
			return err
		}
		_, err := r.o.Evidence.Write(ctx, acts...)
		return err
	})
	if err == nil || errors.Is(err, audit.ErrNotLogged) {
		r.o.Changed(id)
	}
	return err
}
