package keys

// State is where a key version stands in its life: announced → published →
// active → retiring → retired, or revoked from any of the first four.
type State string

// A version stands in the JWK Set from the moment it is announced until it is
// retired; it signs only while it is active.
const (
	// Announced: it exists; the nodes are adding it to their JWK Sets.
	Announced State = "announced"
	// Published: every node serves it; relying parties are given time to fetch.
	Published State = "published"
	// Active: it signs. One version of a use and algorithm is.
	Active State = "active"
	// Retiring: it signs no more; what it signed may still be valid.
	Retiring State = "retiring"
	// Retired: nothing it signed can be valid any more.
	Retired State = "retired"
	// Revoked: it was taken away at once; nothing it signed is good.
	Revoked State = "revoked"
)

// InSet reports whether a version of the state stands in the JWK Set.
func (s State) InSet() bool {
	return s == Announced || s == Published || s == Active || s == Retiring
}
