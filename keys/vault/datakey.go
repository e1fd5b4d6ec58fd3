package vault

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"hopnhat/keys"
)

// dataKeys are Transit's, under the secrets key.
type dataKeys struct{ s *Store }

func (d dataKeys) spec() keys.Spec {
	spec, _ := keys.Find(d.s.specs, keys.Secrets, keys.Wrapping)
	return spec
}

// NewDataKey is Transit's datakey/plaintext.
func (d dataKeys) NewDataKey(ctx context.Context) (plain, wrapped []byte, err error) {
	const doing = "making a data key"
	var answer wrapper[struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
	}]
	err = d.s.c.do(ctx, call{doing: doing, path: d.s.path("datakey/plaintext", d.spec()), body: map[string]int{"bits": 256}, into: &answer})
	d.s.ills.note(doing, err, func(ctx context.Context) error { _, _, err := d.NewDataKey(ctx); return err })
	if err != nil {
		return nil, nil, err
	}
	version, ok := wrappedBy([]byte(answer.Data.Ciphertext))
	if !ok || len(answer.Data.Plaintext) != 32 {
		return nil, nil, &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: fmt.Errorf("not a data key")}
	}
	for { // what was just used is the newest version there is
		known := d.s.newest.Load()
		if known >= int64(version) || d.s.newest.CompareAndSwap(known, int64(version)) {
			return answer.Data.Plaintext, []byte(answer.Data.Ciphertext), nil
		}
	}
}

// OpenDataKey is Transit's decrypt.
func (d dataKeys) OpenDataKey(ctx context.Context, wrapped []byte) ([]byte, error) {
	if _, ok := wrappedBy(wrapped); !ok {
		return nil, keys.ErrNotOurs
	}
	return d.s.decrypt(ctx, "opening a data key", d.spec(), string(wrapped))
}

// RewrapDataKey is Transit's rewrap.
func (d dataKeys) RewrapDataKey(ctx context.Context, wrapped []byte) ([]byte, error) {
	const doing = "wrapping a data key anew"
	if _, ok := wrappedBy(wrapped); !ok {
		return nil, keys.ErrNotOurs
	}
	var answer wrapper[struct {
		Ciphertext string `json:"ciphertext"`
	}]
	err := d.s.c.do(ctx, call{doing: doing, path: d.s.path("rewrap", d.spec()), body: map[string]string{"ciphertext": string(wrapped)}, into: &answer})
	switch {
	case isBadInput(err):
		return nil, fmt.Errorf("%s: %w", doing, keys.ErrNotOurs)
	case err != nil:
		return nil, err
	}
	if _, ok := wrappedBy([]byte(answer.Data.Ciphertext)); !ok {
		return nil, &keys.Outage{Cause: keys.BadAnswer, Doing: doing}
	}
	return []byte(answer.Data.Ciphertext), nil
}

// Stale reports whether there is a newer version, as far as is known.
func (d dataKeys) Stale(wrapped []byte) bool {
	version, ok := wrappedBy(wrapped)
	return ok && int64(version) < d.s.newest.Load()
}

// wrappedBy reads the version out of vault:vN:….
func wrappedBy(wrapped []byte) (version int, ok bool) {
	rest, ok := strings.CutPrefix(string(wrapped), "vault:v")
	number, _, ok2 := strings.Cut(rest, ":")
	version, err := strconv.Atoi(number)
	return version, ok && ok2 && err == nil
}
