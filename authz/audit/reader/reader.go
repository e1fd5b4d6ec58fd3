// Package reader is how an auditor's tool reads the release log without a browser: with a
// token that an operator made for an auditor. The token names her, and is good while she has
// the role and is not locked; it opens the files of the log and nothing else.
package reader

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// MaxLife is how long a token is good at most.
const MaxLife = 90 * 24 * time.Hour

// Tokens makes and reads tokens. A token is its prefix and, encrypted, the auditor and the
// second at which it ends.
type Tokens struct{ key seal.Key }

// New makes tokens under a key of [seal.LogReaders].
func New(key seal.Key) Tokens { return Tokens{key} }

// Make makes a token for an auditor.
func (t Tokens) Make(auditor authz.Subject, now time.Time, life time.Duration) (string, error) {
	if life <= 0 || life > MaxLife {
		return "", fmt.Errorf("a token lives at most %d days, and some time", int(MaxLife.Hours()/24))
	}
	end := strconv.FormatInt(now.Add(life).Unix(), 10)
	return seal.LogReaders.Prefix + t.key.Seal([]byte(end+" "+string(auditor)), ""), nil
}

// Auditor is whose token it is; ok is false for one that is not ours, or has ended.
func (t Tokens) Auditor(token string, now time.Time) (auditor authz.Subject, ok bool) {
	sealed, ours := strings.CutPrefix(token, seal.LogReaders.Prefix)
	if !ours || len(token) > maxToken {
		return "", false
	}
	plain, ok := t.key.Open(sealed, "")
	if !ok {
		return "", false
	}
	end, subject, _ := strings.Cut(string(plain), " ")
	at, err := strconv.ParseInt(end, 10, 64)
	return authz.Subject(subject), err == nil && subject != "" && now.Unix() < at
}

const maxToken = 512
