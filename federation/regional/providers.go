// Package regional is about the providers of provinces, which sign people in when the centre
// is out of reach: which there are and whose sectors they serve ([Providers]), who chose
// services there ([Choices]), and how a province is fed while it is connected: the centre
// answers ([Centre]) what the province asks for ([Feeder]).
//
// A province knows a person by a name of its own, which only the centre can lead back to her
// ([Names]). What it is handed of her is good for some days, and is renewed as long as it is
// connected and she has not withdrawn her choice.
package regional

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
)

// Bounds of the file.
const (
	maxProviders = 200
	maxSectors   = 50
	maxDays      = 30
)

// Provider is one of a province, as the centre has it.
type Provider struct {
	Entity federation.EntityID `json:"entity"`
	Name   authz.LocalizedText `json:"name"`
	// Sectors are the domains whose hosts it serves: danang.example.vn stands for itself and
	// for land.danang.example.vn.
	Sectors []string `json:"sectors"`
}

// Providers are those that people may choose.
type Providers struct {
	// Mark is the type of the trust mark by which the anchor says that an entity is the
	// provider of a province.
	Mark string `json:"trust_mark_type"`
	// Anchor is the one under which a provider of a province is known; empty in a file that
	// leaves it to the one anchor of the server.
	Anchor federation.EntityID `json:"anchor,omitempty"`
	// Days is how long what is handed over is good.
	Days int `json:"days"`
	// Since is the time from which on a new sector below a province's domains is named under
	// the key of the province. Every node has to have it before it is over.
	Since time.Time  `json:"since"`
	All   []Provider `json:"providers"`
}

// ParseProviders reads the file of the centre.
func ParseProviders(raw []byte) (Providers, error) {
	var p Providers
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, errors.New("there is more after the JSON object")
	}
	switch {
	case p.Mark == "":
		return p, errors.New("trust_mark_type is missing: say by which mark of the anchor a provider of a province is known")
	case p.Days < 1 || p.Days > maxDays:
		return p, fmt.Errorf("days is %d: what is handed over is good for 1 to %d days", p.Days, maxDays)
	case p.Since.IsZero():
		return p, errors.New("since is missing: say from when on new sectors are named under the key of their province")
	case len(p.All) == 0 || len(p.All) > maxProviders:
		return p, fmt.Errorf("providers has %d entries, want 1 to %d", len(p.All), maxProviders)
	}
	var sectors []string
	for i, one := range p.All {
		if _, err := federation.ParseEntityID(string(one.Entity)); err != nil {
			return p, fmt.Errorf("provider %d: %w", i, err)
		}
		if err := one.check(); err != nil {
			return p, fmt.Errorf("provider %s: %w", one.Entity, err)
		}
		if slices.ContainsFunc(p.All[:i], func(o Provider) bool { return o.Entity == one.Entity }) {
			return p, fmt.Errorf("provider %s is there twice", one.Entity)
		}
		for _, s := range one.Sectors {
			if slices.ContainsFunc(sectors, func(o string) bool { return under(o, s) || under(s, o) }) {
				return p, fmt.Errorf("provider %s: the domain %q is, or holds, or is below one that is there already", one.Entity, s)
			}
			sectors = append(sectors, s)
		}
	}
	return p, nil
}

func (p Provider) check() error {
	switch {
	case strings.TrimSpace(p.Name.VI) == "" || authz.CheckText(p.Name.VI) != nil || authz.CheckText(p.Name.EN) != nil:
		return errors.New("name is missing, or not a text")
	case len(p.Sectors) == 0 || len(p.Sectors) > maxSectors:
		return fmt.Errorf("sectors has %d domains, want 1 to %d", len(p.Sectors), maxSectors)
	}
	return CheckSectors(p.Sectors)
}

// CheckSectors refuses what is not a domain of two labels at least, in small letters.
func CheckSectors(sectors []string) error {
	for _, s := range sectors {
		labels := strings.Split(s, ".")
		if len(labels) < 2 || len(s) > 253 || slices.ContainsFunc(labels, func(l string) bool {
			return l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
		}) {
			return fmt.Errorf("sectors: %q is not a domain such as danang.example.vn", s)
		}
	}
	return nil
}

// Under reports whether the host of a sector is one of some domains or below one.
func Under(sector string, domains []string) bool {
	host, _, _ := strings.Cut(sector, ":")
	return slices.ContainsFunc(domains, func(d string) bool { return under(host, d) })
}

func under(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

// Of finds a provider by its entity.
func (p Providers) Of(entity federation.EntityID) (Provider, bool) {
	i := slices.IndexFunc(p.All, func(o Provider) bool { return o.Entity == entity })
	if i < 0 {
		return Provider{}, false
	}
	return p.All[i], true
}

// Serving finds the provider below whose domains a sector is.
func (p Providers) Serving(sector string) (Provider, bool) {
	i := slices.IndexFunc(p.All, func(o Provider) bool { return Under(sector, o.Sectors) })
	if i < 0 {
		return Provider{}, false
	}
	return p.All[i], true
}
