package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/audit/commitment"
)

// ClientAct is an act on an app's registration, told alike by the registration
// endpoint and by the tools. It can always become evidence, whatever the registration
// holds: an app with a long list must not be one that nobody can disable.
func ClientAct(action Action, c *authz.Client) Act {
	return Act{
		Action: action, App: c,
		Detail: Detail{Object: Bounded(string(c.ID)), Text: Bounded(c.RedirectURIs...)},
	}
}

// Bounded is texts as one that can become evidence: themselves with a space between
// them, or, where that is too long or holds a character that evidence may not, the
// SHA-256 of the lines they make and how many they are. Who has the texts can tell that
// these are the ones.
func Bounded(texts ...string) string {
	if joined := norm.NFC.String(strings.Join(texts, " ")); commitment.CheckText(joined) == nil {
		return joined
	}
	digest := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return fmt.Sprintf("sha256:%s of %d", hex.EncodeToString(digest[:]), len(texts))
}
