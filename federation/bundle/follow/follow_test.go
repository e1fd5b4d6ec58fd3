package follow_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/bundle"
	"hopnhat/federation/bundle/delta"
	"hopnhat/federation/bundle/follow"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/bundle/shelf"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/trust"
)

const at = "https://neo.example.vn/federation/bundle"

type claims = federationtest.Claims

// host gives bundles out, in parts of a few bytes. It keeps what it was asked.
type host struct {
	content map[string][]byte // by kind and base
	asked   []string
	changes bool // another document between two parts
}

func (h *host) FetchPart(_ context.Context, address, kind, tag string, from, _, _ int64) (outbound.Part, error) {
	u, err := url.Parse(address)
	if err != nil {
		return outbound.Part{}, err
	}
	name := kind + " " + u.Query().Get("base")
	all, there := h.content[name]
	current := `"` + delta.Digest(all) + `"`
	if h.changes && from > 0 {
		current = `"other"`
	}
	switch {
	case !there:
		return outbound.Part{}, errors.New("status 404")
	case from == 0:
		h.asked = append(h.asked, name)
		if tag == current {
			return outbound.Part{}, outbound.ErrUnchanged
		}
	case tag != current:
		return outbound.Part{}, errors.New("another document")
	}
	const part = 1000
	return outbound.Part{Body: all[from:min(from+part, int64(len(all)))], Tag: current, Total: int64(len(all))}, nil
}

// known is a resolver that keeps what it takes in.
type known struct {
	behind bool
	taken  [][]byte
}

func (k *known) Behind() bool { return k.behind }

func (k *known) Take(content []byte, _ federation.EntityID, _ time.Time) error {
	k.taken = append(k.taken, content)
	return nil
}

// book is a database in memory.
type book struct {
	place order.Place
	fails bool // once
}

func (b *book) NewestBundle(context.Context, federation.EntityID) (order.Place, error) {
	return b.place, nil
}

func (b *book) RaiseBundle(_ context.Context, _ federation.EntityID, p order.Place) (bool, error) {
	if b.fails {
		b.fails = false
		return false, errors.New("the database is away")
	}
	newer := p.Serial > b.place.Serial || p.Serial == b.place.Serial && p.Digest == b.place.Digest
	if newer {
		b.place = p
	}
	return newer, nil
}

func content(version int) []byte {
	return fmt.Appendf(nil, `{"statements":[%q,"%d","%s"]}`, strings.Repeat("a", 3000), version, strings.Repeat("b", 100))
}

// TestLook: a server that cannot ask its superiors takes in the newest bundle, the first whole and
// the next by its delta; nothing is asked while they answer, and nothing is taken in twice.
func TestLook(t *testing.T) {
	anchor, now := federationtest.New(t, "https://neo.example.vn"), federationtest.Now
	made := func(version int) (line string, all []byte) {
		c := content(version)
		sum := sha256.Sum256(c)
		line = anchor.Sign(t, claims{"typ": bundle.Type}, claims{
			"iss": anchor.ID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "sha256": hex.EncodeToString(sum[:]), "serial": version,
		})
		return line, append([]byte(line+"\n"), c...)
	}
	step := func(from, to int) []byte {
		line, _ := made(to)
		raw, err := delta.Make(content(from), content(to))
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte(line+"\n"), raw...)
	}
	whole := func(version int) []byte { _, all := made(version); return all }
	b := &book{}
	h, k := &host{content: map[string][]byte{shelf.MediaType + " ": whole(1)}}, &known{}
	f := &follow.Follower{
		From: []string{"https://down.example.vn/bundle", at}, Anchors: []trust.Anchor{{ID: anchor.ID, Keys: anchor.Set(t)}},
		Out: h, Order: order.Order{Folder: t.TempDir(), Book: b}, Resolver: k, Now: func() time.Time { return now },
	}
	look := func(name string, taken int, last []byte, failed bool) {
		t.Helper()
		if err := f.Look(t.Context()); (err != nil) != failed {
			t.Errorf("%s: %v", name, err)
		}
		if len(k.taken) != taken || taken > 0 && !bytes.Equal(k.taken[taken-1], last) {
			t.Errorf("%s: %d were taken in", name, len(k.taken))
		}
	}
	look("all superiors answer", 0, nil, false)
	if len(h.asked) != 0 {
		t.Errorf("asked %v", h.asked)
	}
	k.behind = true
	f.From, b.fails = []string{at}, true
	look("the database is away", 0, nil, true)
	look("the first, which could not be taken in before", 1, content(1), false)
	look("the same", 1, content(1), false)
	h.content = map[string][]byte{shelf.DeltaType + " " + delta.Digest(content(1)): step(1, 2)}
	look("the next, by its delta", 2, content(2), false)
	h.content = map[string][]byte{shelf.DeltaType + " " + delta.Digest(content(2)): step(1, 3), shelf.MediaType + " ": whole(3)}
	look("a delta that is of another base: whole", 3, content(3), false)
	h.content = map[string][]byte{shelf.MediaType + " ": whole(2)}
	look("an older one", 3, content(3), true)
	h.content, h.changes = map[string][]byte{shelf.MediaType + " ": whole(4)}, true
	look("parts of two documents", 3, content(3), true)
	h.changes = false
	h.content[shelf.MediaType+" "][len(whole(4))-3] ^= 1
	look("altered", 3, content(3), true)
	h.content = nil
	look("nobody answers", 3, content(3), true)
}
