package file

import (
	"fmt"
	"slices"

	"hopnhat/keys"
)

// Export gives every version in the clear, the oldest first in each key. It
// exists for one purpose, moving the keys to a store that does not give them out
// again; the caller clears what it gets.
func (s *Store) Export() ([]keys.Material, error) {
	p, err := s.refresh()
	if err != nil {
		return nil, fmt.Errorf("reading the key folder: %w", err)
	}
	var out []keys.Material
	for _, spec := range s.specs {
		var versions []keys.Material
		for _, r := range p.records {
			if r.Use != spec.Use || r.Algorithm != algorithm(spec) || !r.Destroyed.IsZero() {
				continue
			}
			plain, err := open(s.aead, r.Sealed, r.aad())
			if err != nil {
				return nil, fmt.Errorf("opening key file %s: %w", r.fileName(), err)
			}
			one := keys.Material{Spec: spec, Version: r.Version, Private: plain}
			for _, k := range p.public {
				if k.Use == spec.Use && k.Algorithm == spec.Algorithm && k.Version == r.Version {
					one.KeyID = k.KeyID
				}
			}
			versions = append(versions, one)
		}
		slices.SortFunc(versions, func(a, b keys.Material) int { return a.Version - b.Version })
		out = append(out, versions...)
	}
	return out, nil
}
