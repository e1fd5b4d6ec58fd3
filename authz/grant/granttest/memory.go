package granttest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
)

// Memory keeps requests and grants as a [grant.Store] promises, for tests of what rests on one.
type Memory struct {
	mu sync.Mutex
	// What is kept: tests look at it and change it between calls.
	Requests map[authz.AuthorizationID]grant.Pending
	Grants   map[authz.GrantID]grant.Grant
	Spent    map[string]bool
	// Down makes every call fail as a database does that does not answer.
	Down bool
	// BeforeRotate does what another request does to a grant before it is rotated;
	// Together holds rotations back until as many have come as it has room for, then All is closed.
	BeforeRotate func(g *grant.Grant)
	Together     chan struct{}
	All          chan struct{}
}

// NewMemory is an empty one.
func NewMemory() *Memory {
	return &Memory{
		Requests: map[authz.AuthorizationID]grant.Pending{}, Grants: map[authz.GrantID]grant.Grant{}, Spent: map[string]bool{},
	}
}

func (m *Memory) do(fn func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Down {
		return authz.ErrUnavailable
	}
	return fn()
}

// InsertPending keeps a request, and spends what came with it.
func (m *Memory) InsertPending(ctx context.Context, p grant.Pending, once clientauth.Assertion) error {
	if err := m.Spend(ctx, once); err != nil {
		return err
	}
	return m.do(func() error {
		m.Requests[p.ID] = p
		undoing(ctx, func() { delete(m.Requests, p.ID) })
		return nil
	})
}

// Pending reads a request.
func (m *Memory) Pending(_ context.Context, id authz.AuthorizationID) (p grant.Pending, err error) {
	err = m.do(func() error {
		var ok bool
		if p, ok = m.Requests[id]; !ok {
			return authz.ErrNotFound
		}
		return nil
	})
	return p, err
}

// FinishPending answers a request, once.
func (m *Memory) FinishPending(ctx context.Context, id authz.AuthorizationID, at time.Time, refused string) error {
	return m.do(func() error {
		p := m.Requests[id]
		if !p.Finished.IsZero() {
			return authz.ErrConflict
		}
		undoing(ctx, func() { p.Finished, p.Refused = time.Time{}, ""; m.Requests[id] = p })
		p.Finished, p.Refused = at, refused
		m.Requests[id] = p
		return nil
	})
}

// InsertGrant keeps a grant, and answers its request.
func (m *Memory) InsertGrant(ctx context.Context, g grant.Grant, answers authz.AuthorizationID) error {
	if answers != "" {
		if err := m.FinishPending(ctx, answers, g.Created, ""); err != nil {
			return err
		}
	}
	return m.do(func() error {
		m.Grants[g.ID] = g
		undoing(ctx, func() { delete(m.Grants, g.ID) })
		return nil
	})
}

func (m *Memory) find(match func(grant.Grant) bool) (g grant.Grant, err error) {
	err = m.do(func() error {
		for _, one := range m.Grants {
			if match(one) {
				g = one
				return nil
			}
		}
		return authz.ErrNotFound
	})
	return g, err
}

// GrantByCode finds a grant by the hash of its code.
func (m *Memory) GrantByCode(_ context.Context, hash []byte) (grant.Grant, error) {
	return m.find(func(g grant.Grant) bool { return string(g.CodeHash) == string(hash) })
}

// Grant reads a grant.
func (m *Memory) Grant(_ context.Context, id authz.GrantID) (grant.Grant, error) {
	return m.find(func(g grant.Grant) bool { return g.ID == id })
}

// GrantByPublicID is the newest live grant of a line.
func (m *Memory) GrantByPublicID(_ context.Context, id authz.GrantID) (grant.Grant, error) {
	newest, err := grant.Grant{}, authz.ErrNotFound
	for {
		g, e := m.find(func(g grant.Grant) bool {
			return g.PublicID() == id && !g.CodeSpent.IsZero() && g.Revoked.IsZero() && g.ID > newest.ID
		})
		if errors.Is(e, authz.ErrNotFound) {
			return newest, err
		}
		if newest, err = g, e; e != nil {
			return newest, err
		}
	}
}

// Supersede ends the live grants of a line but one.
func (m *Memory) Supersede(ctx context.Context, by grant.Grant, at time.Time) error {
	return m.do(func() error {
		ended := false
		for id, g := range m.Grants {
			if g.PublicID() == by.Continues && g.ID != by.ID && g.Live(at) {
				before := g
				undoing(ctx, func() { m.Grants[id] = before })
				g.Revoked, ended = at, true
				m.Grants[id] = g
			}
		}
		if !ended {
			return authz.ErrConflict
		}
		return nil
	})
}

func (m *Memory) change(ctx context.Context, id authz.GrantID, fn func(g *grant.Grant) bool) error {
	return m.do(func() error {
		g := m.Grants[id]
		before := g
		if !fn(&g) {
			return authz.ErrConflict
		}
		undoing(ctx, func() { m.Grants[id] = before })
		m.Grants[id] = g
		return nil
	})
}

// RedeemCode spends a code, once, and what came with it.
func (m *Memory) RedeemCode(ctx context.Context, id authz.GrantID, bound authz.Confirmation, at time.Time,
	once clientauth.Assertion,
) error {
	if err := m.Spend(ctx, once); err != nil {
		return err
	}
	return m.change(ctx, id, func(g *grant.Grant) bool {
		free := g.CodeSpent.IsZero() && g.Revoked.IsZero()
		g.CodeSpent, g.Bound = at, bound
		return free
	})
}

// Rotate leaves a generation, once, and spends what came with the request.
func (m *Memory) Rotate(ctx context.Context, id authz.GrantID, generation int, at time.Time, once clientauth.Assertion) error {
	if err := m.Spend(ctx, once); err != nil {
		return err
	}
	if m.Together != nil {
		if m.Together <- struct{}{}; len(m.Together) == cap(m.Together) {
			close(m.All)
		}
		<-m.All
	}
	if m.BeforeRotate != nil {
		_ = m.change(context.Background(), id, func(g *grant.Grant) bool { m.BeforeRotate(g); return true })
	}
	return m.change(ctx, id, func(g *grant.Grant) bool {
		if g.RefreshGeneration != generation || !g.Revoked.IsZero() || !at.Before(g.Expires) {
			return false
		}
		g.RefreshGeneration, g.RefreshRotated = generation+1, at
		return true
	})
}

// Revoke ends a grant.
func (m *Memory) Revoke(ctx context.Context, id authz.GrantID, because string, at time.Time) error {
	return m.change(ctx, id, func(g *grant.Grant) bool {
		if g.Revoked.IsZero() {
			g.Revoked, g.RevokedBecause = at, because
		}
		if g.CodeSpent.IsZero() {
			g.CodeSpent = at
		}
		return true
	})
}

// Spend spends an assertion and a proof, once each.
func (m *Memory) Spend(ctx context.Context, once clientauth.Assertion) error {
	return m.do(func() error {
		if once.Digest != nil && m.Spent[string(once.Digest)] {
			return clientauth.ErrAssertionUsed
		}
		if once.Proof.Digest != nil && m.Spent[string(once.Proof.Digest)] {
			return clientauth.ErrProofUsed
		}
		for _, digest := range [][]byte{once.Digest, once.Proof.Digest} {
			if digest != nil {
				m.Spent[string(digest)] = true
				undoing(ctx, func() { delete(m.Spent, string(digest)) })
			}
		}
		return nil
	})
}

// RevokeToken remembers the digest of a token that was revoked.
func (m *Memory) RevokeToken(ctx context.Context, digest []byte, expires time.Time) error {
	return m.Spend(ctx, clientauth.Assertion{Digest: digest, Expires: expires})
}

// TokenRevoked reports whether a token was revoked.
func (m *Memory) TokenRevoked(_ context.Context, digest []byte) (found bool, err error) {
	err = m.do(func() error { found = m.Spent[string(digest)]; return nil })
	return found, err
}

type undoKey struct{}

// undoing notes how a write is undone if its transaction fails.
func undoing(ctx context.Context, undo func()) {
	if list, ok := ctx.Value(undoKey{}).(*[]func()); ok {
		*list = append(*list, undo)
	}
}

// Tx undoes what a failed function wrote, and nothing that others did meanwhile.
func (m *Memory) Tx(ctx context.Context, fn func(context.Context) error) error {
	if _, joined := ctx.Value(undoKey{}).(*[]func()); joined {
		return fn(ctx)
	}
	var undo []func()
	var after []func(context.Context) error
	if err := fn(context.WithValue(context.WithValue(ctx, undoKey{}, &undo), afterKey{}, &after)); err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, one := range slices.Backward(undo) {
			one()
		}
		return err
	}
	var failed []error
	for _, do := range after {
		failed = append(failed, do(ctx))
	}
	return errors.Join(failed...)
}

type afterKey struct{}

// AfterCommit runs a function when the transaction has committed.
func (m *Memory) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	if after, ok := ctx.Value(afterKey{}).(*[]func(context.Context) error); ok {
		*after = append(*after, do)
		return nil
	}
	return do(ctx)
}
