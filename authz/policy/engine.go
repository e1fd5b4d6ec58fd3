package policy

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"hopnhat/authz"
	"hopnhat/authz/consent"
)

//go:embed registers/*.cedar
var registers embed.FS

// Engine decides. It is immutable and safe for concurrent use.
type Engine struct {
	catalogue *consent.Catalogue
	slices    map[authz.RegistryID]*slice
}

// slice is the policy set of one register: the default one and its own, so that
// a decision looks at few policies.
type slice struct {
	set  *cedar.PolicySet
	hash string
}

// New reads the policies built into the program.
func New(catalogue *consent.Catalogue) (*Engine, error) {
	common, err := registers.ReadFile("registers/default.cedar")
	if err != nil {
		return nil, err
	}
	e := &Engine{catalogue: catalogue, slices: map[authz.RegistryID]*slice{}}
	for _, r := range catalogue.Registries {
		text := string(common)
		specific, err := fs.ReadFile(registers, path.Join("registers", string(r.ID)+".cedar"))
		if err == nil {
			text += "\n" + string(specific)
		}
		list, err := cedar.NewPolicyListFromBytes(string(r.ID)+".cedar", []byte(text))
		if err != nil {
			return nil, fmt.Errorf("reading the policy of register %q: %w", r.ID, err)
		}
		set := cedar.NewPolicySet()
		for _, p := range list {
			id, ok := p.Annotations()["id"]
			if !ok {
				return nil, fmt.Errorf("a policy of register %q has no @id", r.ID)
			}
			set.Add(cedar.PolicyID(id), p)
		}
		sum := sha256.Sum256([]byte(StatutoryVersion + "\n" + text))
		e.slices[r.ID] = &slice{set, hex.EncodeToString(sum[:])}
	}
	return e, nil
}

// Decide holds the facts against statute, then against the register's policy.
// Default deny: a register without a policy set releases nothing.
func (e *Engine) Decide(f Facts) Verdict {
	v := Verdict{Determining: []string{StatutoryVersion}}
	for _, r := range rules {
		if code := r.forbids(e.catalogue, f); code != "" {
			v.Reasons = append(v.Reasons, Reason{code, r.article})
		}
	}
	s, ok := e.slices[f.Asked.Registry]
	if !ok {
		v.Reasons = append(v.Reasons, Reason{RegistryPolicy, "no policy"})
		return v
	}
	v.PolicyHash = s.hash
	if len(v.Reasons) > 0 {
		return v
	}
	for _, app := range append([]*authz.Client{f.Client}, f.Actors...) {
		if !e.registryPermits(s, f, app, &v) {
			v.Reasons = append(v.Reasons, Reason{RegistryPolicy, strings.Join(v.Determining, ", ")})
			return v
		}
	}
	v.Permit = true
	return v
}

// registryPermits asks the register's policy for one app, and notes what
// determined the answer.
func (e *Engine) registryPermits(s *slice, f Facts, app *authz.Client, v *Verdict) bool {
	decision, why := cedar.Authorize(s.set, types.EntityMap{}, cedar.Request{
		Principal: cedar.NewEntityUID("App", cedar.String(app.ID)),
		Action:    cedar.NewEntityUID("Action", "release"),
		Resource:  cedar.NewEntityUID("Register", cedar.String(f.Asked.Registry)),
		Context: cedar.NewRecord(cedar.RecordMap{
			"class":   cedar.String(e.highestClass(f.Asked.Attributes)),
			"account": cedar.Long(f.Account),
			"level":   cedar.Long(f.Level),
			"purpose": cedar.String(f.Asked.Purpose),
			"basis":   cedar.String(f.Granted.Basis),
			"sector":  cedar.String(e.sector(f.Asked.Purpose)),
		}),
	})
	for _, reason := range why.Reasons {
		v.Determining = append(v.Determining, string(reason.PolicyID))
	}
	slices.Sort(v.Determining)
	v.Determining = slices.Compact(v.Determining)
	// A policy that fails to evaluate must not be passed over (Cedar would).
	return decision == cedar.Allow && len(why.Errors) == 0
}

func (e *Engine) highestClass(ids []authz.AttributeID) string {
	highest := "PUB"
	for _, id := range ids {
		if a, ok := e.catalogue.Attribute(id); ok && !consent.Within(a.Class, highest) {
			highest = a.Class
		}
	}
	return highest
}

func (e *Engine) sector(id authz.PurposeID) string {
	p, _ := e.catalogue.Purpose(id)
	return p.Sector
}
