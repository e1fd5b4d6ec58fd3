// Package follow gets the bundles of trust anchors where the entities themselves cannot be asked: a
// server that reaches an anchor, or anybody who holds its newest bundle, goes on by that.
package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/bundle"
	"hopnhat/federation/bundle/delta"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/bundle/shelf"
	"hopnhat/federation/trust"
	"hopnhat/keys/durable"
)

// Every is how long lies between two looks; at each nothing is asked while all superiors answer.
const Every = 5 * time.Minute

// lookTime is how long one bundle may take.
const lookTime = 20 * time.Minute

// FileName is that of the bundle that was taken in last, in the state folder.
const FileName = "federation-taken.bundle"

// Out asks others: [outbound.Client] does.
type Out interface {
	FetchPart(ctx context.Context, address, mediaType, tag string, from, size, limit int64) (outbound.Part, error)
}

// Resolver takes in what an anchor vouches for.
type Resolver interface {
	// Behind reports whether an anchor or a superior could not be asked in the last walk.
	Behind() bool
	// Take takes in what an anchor knew at a time.
	Take(content []byte, anchor federation.EntityID, at time.Time) error
}

// Follower asks for bundles.
type Follower struct {
	// From are the addresses, the preferred first: https, each with bundles of one anchor.
	From     []string
	Anchors  []trust.Anchor
	Out      Out
	Order    order.Order
	Resolver Resolver
	Now      func() time.Time

	// last are the bundles that were taken in since the start, tags those of the documents that
	// were taken in whole, by address.
	last map[federation.EntityID]order.Place
	tags map[string]string
}

// Run looks every [Every], with a tenth of jitter, until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for {
		pause := time.NewTimer(Every - Every/20 + rand.N(Every/10))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		if err := f.Look(ctx); err != nil {
			slog.Warn("superiors cannot be asked, and no bundle of an anchor could be taken in", "error", err)
		}
	}
}

// Look takes in the newest bundle of the first address that has one, if somebody could not be asked
// in the last walk. An error is of all addresses. One at a time looks.
func (f *Follower) Look(ctx context.Context) error {
	if !f.Resolver.Behind() {
		return nil
	}
	var failed []error
	for _, address := range f.From {
		err := f.look(ctx, address)
		if err == nil {
			return nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", address, err))
	}
	return errors.Join(failed...)
}

// look takes in what is at one address; nothing is taken in where it is what was taken in last.
func (f *Follower) look(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	raw, err := f.stepped(ctx, address)
	var tag string
	if errors.Is(err, errStep) {
		raw, tag, err = f.get(ctx, address, shelf.MediaType, f.tags[address], bundle.MaxBytes)
	}
	if errors.Is(err, outbound.ErrUnchanged) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := bundle.Read(raw, f.Anchors, f.Now())
	if err != nil {
		return err
	}
	if last := f.last[b.Issuer]; last.Serial == b.Serial && last.Digest == b.Digest {
		f.tag(address, tag)
		return nil
	}
	if err := f.Order.Raise(ctx, b.Issuer, b.Place); err != nil {
		return err
	}
	if err := f.Resolver.Take(b.Content, b.Issuer, b.IssuedAt); err != nil {
		return err
	}
	if f.last == nil {
		f.last = map[federation.EntityID]order.Place{}
	}
	f.last[b.Issuer] = b.Place
	slog.Info("a bundle was taken in, since superiors cannot be asked", "anchor", string(b.Issuer), "serial", b.Serial,
		"made", b.IssuedAt.UTC().Format(time.RFC3339))
	f.tag(address, tag)
	return durable.Replace(filepath.Join(f.Order.Folder, FileName), raw, 0o600)
}

// tag remembers which document of an address was taken in: what could not be is got again.
func (f *Follower) tag(address, tag string) {
	if f.tags == nil {
		f.tags = map[string]string{}
	}
	if tag != "" {
		f.tags[address] = tag
	}
}

// errStep means that there is no delta from what was taken in last: the whole bundle is asked for.
var errStep = errors.New("no delta from what was taken in last")

// stepped is the newest bundle by a delta from the one that was taken in last.
func (f *Follower) stepped(ctx context.Context, address string) ([]byte, error) {
	base, known := f.taken()
	u, err := url.Parse(address)
	if !known || err != nil {
		return nil, errStep
	}
	query := u.Query()
	query.Set("base", delta.Digest(base))
	u.RawQuery = query.Encode()
	raw, _, err := f.get(ctx, u.String(), shelf.DeltaType, "", delta.MaxBytes)
	if err != nil {
		return nil, errors.Join(errStep, err)
	}
	signature, steps, _ := bytes.Cut(raw, []byte("\n"))
	content, err := delta.Apply(base, steps, bundle.MaxBytes-len(signature)-1)
	if err != nil {
		return nil, errors.Join(errStep, err)
	}
	return append(append(bytes.Clone(signature), '\n'), content...), nil
}

// get gets a document in parts, if it is not the one with a tag, no longer than limit bytes.
func (f *Follower) get(ctx context.Context, address, kind, known string, limit int64) (raw []byte, tag string, err error) {
	first, err := f.Out.FetchPart(ctx, address, kind, known, 0, shelf.Part, limit)
	if err != nil {
		return nil, "", err
	}
	raw = first.Body
	for int64(len(raw)) < first.Total {
		if first.Tag == "" {
			return nil, "", errors.New("it comes in parts without an ETag, which may be of two documents")
		}
		next, err := f.Out.FetchPart(ctx, address, kind, first.Tag, int64(len(raw)), shelf.Part, limit)
		if err != nil {
			return nil, "", err
		}
		raw = append(raw, next.Body...)
	}
	return raw, first.Tag, nil
}

// taken is the content of the bundle that was taken in last.
func (f *Follower) taken() (content []byte, known bool) {
	raw, err := os.ReadFile(filepath.Join(f.Order.Folder, FileName))
	if err != nil || len(raw) > bundle.MaxBytes {
		return nil, false
	}
	_, content, known = bytes.Cut(raw, []byte("\n"))
	return content, known
}
