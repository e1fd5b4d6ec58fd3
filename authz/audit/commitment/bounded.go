package commitment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Bounded is texts as one that can become evidence: themselves with a space between
// them, or, where that is too long or holds a character that evidence may not, the
// SHA-256 of the lines they make and how many they are. Who has the texts can tell that
// these are the ones.
func Bounded(texts ...string) string {
	if joined := norm.NFC.String(strings.Join(texts, " ")); CheckText(joined) == nil {
		return joined
	}
	digest := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return fmt.Sprintf("sha256:%s of %d", hex.EncodeToString(digest[:]), len(texts))
}
