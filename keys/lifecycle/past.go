package lifecycle

import "hopnhat/keys"

// Past is a version that is no longer in the set.
type Past struct {
	keys.PublicKey
	VersionState
}

// Past lists the versions of a use that have left the set by age or were revoked, the oldest
// first, from memory: as far as the store shows them, or has shown them to this process.
// Errors: ErrUnavailable.
func (r *Ring) Past(use keys.Use) ([]Past, error) {
	s, err := r.current()
	if err != nil {
		return nil, err
	}
	var past []Past
	for _, versions := range groups(s.states) {
		for _, l := range versions {
			public, ok := s.material[l.KeyID]
			if ended := l.State == keys.Retired || l.State == keys.Revoked; !ok || l.Use != use || !ended {
				continue
			}
			public.State = l.State
			past = append(past, Past{public, l})
		}
	}
	return past, nil
}
