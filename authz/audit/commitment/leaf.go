package commitment

import (
	"errors"
	"fmt"
)

const (
	leafVersion = 1
	maxType     = 64
)

// Leaf is the entry of the log: a version byte, the event type, the commitment.
// It holds no identifier and no time.
func Leaf(eventType string, c Commitment) []byte {
	leaf := make([]byte, 0, 1+len(eventType)+len(c))
	leaf = append(leaf, leafVersion)
	leaf = append(leaf, eventType...)
	return append(leaf, c[:]...)
}

// ErrNotLeaf is returned for an entry that is no leaf of ours.
var ErrNotLeaf = errors.New("not an entry of a release log")

// ParseLeaf reads a leaf. The type need not be known here: a later release may
// have written it.
func ParseLeaf(leaf []byte) (eventType string, c Commitment, err error) {
	n := len(leaf) - 1 - len(c)
	if n < 1 || leaf[0] != leafVersion || !validType(string(leaf[1:1+n])) {
		return "", Commitment{}, ErrNotLeaf
	}
	return string(leaf[1 : 1+n]), Commitment(leaf[1+n:]), nil
}

// CheckType accepts what may stand as a type in a leaf, whatever kinds there are.
func CheckType(t string) error {
	if !validType(t) {
		return fmt.Errorf("the type %q is not small letters, dots and hyphens, at most %d", t, maxType)
	}
	return nil
}

// validType: small letters, dots and hyphens, such as release.permitted.
func validType(t string) bool {
	if t == "" || len(t) > maxType {
		return false
	}
	for _, c := range []byte(t) {
		if (c < 'a' || c > 'z') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
