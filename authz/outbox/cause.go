package outbox

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"

	"hopnhat/authz/outbound"
)

// Cause is why an attempt failed: one stable word, that names no person and repeats
// nothing of the app's but a status and an error code. After CauseAnswer comes the
// status, and the code if the app gave one: "answer 400 invalid_request".
type Cause string

// The causes.
const (
	CauseName         Cause = "name"         // the host's name leads nowhere
	CauseAddress      Cause = "address"      // it leads to an address that is not public
	CauseCertificate  Cause = "certificate"  // nobody vouches for its certificate
	CauseSlow         Cause = "slow"         // no answer in time
	CauseUnreachable  Cause = "unreachable"  // no connection
	CauseAnswer       Cause = "answer"       // it answered, and not with success
	CauseKeys         Cause = "keys"         // our keys could not be used
	CauseGone         Cause = "gone"         // the app takes no such messages any more
	CauseRegistration Cause = "registration" // the app's registration could not be read
)

// Kind is the cause without status and code.
func (c Cause) Kind() Cause {
	kind, _, _ := strings.Cut(string(c), " ")
	return Cause(kind)
}

// Answer is the status and the error code of CauseAnswer.
func (c Cause) Answer() string {
	_, answer, _ := strings.Cut(string(c), " ")
	return answer
}

// unreached reports whether the app could not be reached at all, so that another
// message would fare no better now.
func (c Cause) unreached() bool {
	switch c {
	case CauseName, CauseAddress, CauseCertificate, CauseSlow, CauseUnreachable:
		return true
	}
	return false
}

// NoAnswer is the cause of an error of [outbound.Client.Post].
func NoAnswer(err error) Cause {
	var timeout net.Error
	switch {
	case errors.Is(err, outbound.ErrURL), errors.As(err, new(*net.DNSError)):
		return CauseName
	case errors.Is(err, outbound.ErrNotPublic):
		return CauseAddress
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return CauseCertificate
	case errors.As(err, &timeout) && timeout.Timeout():
		return CauseSlow
	default:
		return CauseUnreachable
	}
}

// errorCode is what is taken of an app's answer: a word of the protocol, and no
// sentence that may speak of a person.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// Refused is the cause of an answer that is no success, with the error code that it
// gives as OAuth does (`error`) or as RFC 8935 §2.3 does (`err`).
func Refused(a outbound.Answer) Cause {
	cause := string(CauseAnswer) + " " + strconv.Itoa(a.Status)
	var body struct {
		Error string `json:"error"`
		Err   string `json:"err"`
	}
	if json.Unmarshal(a.Body, &body) == nil && errorCode.MatchString(cmp.Or(body.Error, body.Err)) {
		cause += " " + cmp.Or(body.Error, body.Err)
	}
	return Cause(cause)
}
