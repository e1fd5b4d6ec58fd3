// Package change says in one text what an app, an API or a declaration was before and is
// after, for the evidence of who changed it.
package change

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
)

// Text says in one text how a thing was before and is after, by the members of its
// JSON form that differ: "name: before -> after". A value that is long stands there by its
// SHA-256, and a text that would be too long for evidence by its own, see [commitment.Bounded].
// Of one that may hold the number of a person it is said only that it is withheld: an app
// writes its contacts and addresses as it likes.
func Text(before, after any) (string, error) {
	was, err1 := members(before)
	is, err2 := members(after)
	if err := errors.Join(err1, err2); err != nil {
		return "", fmt.Errorf("comparing a thing before and after: %w", err)
	}
	names := slices.Collect(maps.Keys(was))
	for name := range is {
		if _, there := was[name]; !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var lines []string
	for _, name := range names {
		if !bytes.Equal(was[name], is[name]) {
			lines = append(lines, name+": "+short(was[name])+" -> "+short(is[name])+";")
		}
	}
	if len(lines) == 0 {
		return "", nil
	}
	return commitment.Bounded(lines...), nil
}

func members(of any) (m map[string]json.RawMessage, err error) {
	if v := reflect.ValueOf(of); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, nil
	}
	raw, err := json.Marshal(of)
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	return m, err
}

// maxShown bounds a value of a change that is shown as it is.
const maxShown = 120

func short(value json.RawMessage) string {
	switch {
	case len(value) == 0:
		return "none"
	case authz.CarriesNumber(string(value)): // its digest would be found by trying numbers
		return "withheld"
	case len(value) > maxShown:
		sum := sha256.Sum256(value)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	return string(value)
}

// Declarations are the changes of what an app declared to read, one an entry: of an app
// that was not there before, all.
func Declarations(before, after *authz.Client) (acts []audit.Act, err error) {
	of := func(c *authz.Client, like authz.Declaration) *authz.Declaration {
		if c == nil {
			return nil
		}
		i := slices.IndexFunc(c.Declarations, func(d authz.Declaration) bool {
			return d.Purpose == like.Purpose && d.Registry == like.Registry
		})
		if i < 0 {
			return nil
		}
		return &c.Declarations[i]
	}
	all := slices.Clone(after.Declarations)
	if before != nil {
		for _, d := range before.Declarations {
			if of(after, d) == nil {
				all = append(all, d)
			}
		}
	}
	for _, d := range all {
		text, err := Text(of(before, d), of(after, d))
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		acts = append(acts, audit.Act{
			Action: audit.DeclarationChanged, App: after, Reason: audit.Reason{Purpose: d.Purpose, Basis: d.Basis},
			Data:   audit.Data{Registry: d.Registry, Attributes: d.Attributes},
			Detail: audit.Detail{Object: commitment.Bounded(string(after.ID)), Text: text},
		})
	}
	return acts, nil
}

// State is what an event commits to of an app or an API as it is after a change: the
// members of its JSON form, sorted, without those that are empty, so that a member that a
// later release adds changes nothing, and without the times of its row.
func State(of any) ([]byte, error) {
	m, err := members(of)
	if err != nil {
		return nil, fmt.Errorf("writing the state of a thing: %w", err)
	}
	maps.DeleteFunc(m, func(name string, value json.RawMessage) bool {
		return slices.Contains(empties, string(value)) || name == "CreatedAt" || name == "UpdatedAt"
	})
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing the state of a thing: %w", err)
	}
	// A database may keep the names of an object in another order.
	var value any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("writing the state of a thing: %w", err)
	}
	return json.Marshal(value)
}

// Resource is an API as its events commit to it, with whether it is disabled.
func Resource(r *authz.Resource) any {
	return struct {
		*authz.Resource

		Off bool `json:"disabled"`
	}{r, r.Disabled}
}

var empties = []string{`""`, "null", "false", "0", "[]", "{}", `"0001-01-01T00:00:00Z"`, `{"vi":"","en":""}`}

// Commit makes an act commit to the state of a thing after a change: under the salt of its
// event, since whoever reads the event may not learn what the state holds by trying.
func Commit(act *audit.Act, after any) error {
	state, err := State(after)
	if err != nil {
		return err
	}
	if act.Salt == (audit.Salt{}) {
		act.Salt = audit.NewSalt()
	}
	act.Payload.Digest = act.Salt.PayloadDigest(state)
	return nil
}
