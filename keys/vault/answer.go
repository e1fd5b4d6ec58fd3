package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/hashicorp/vault/api"

	"hopnhat/keys"
)

// maxAnswer bounds what is read of one answer: a full batch of RSA signatures is
// below 100 KiB.
const maxAnswer = 4 << 20

// limited is a transport whose answers end at a bound.
type limited struct{ http.RoundTripper }

// RoundTrip bounds the body.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if answer != nil && answer.Body != nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

// parse reads an answer's data with the successor of encoding/json, which refuses a
// repeated member and reads a full batch in a third of the time. Vault, or a proxy
// before it, may answer 200 with nothing or with something else; that is an outage,
// and ends nothing of ours.
func parse(answer *api.Response, into any) error {
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return &api.ResponseError{StatusCode: answer.StatusCode, Errors: []string{answer.Status}}
	}
	if into == nil {
		_, err := io.Copy(io.Discard, answer.Body)
		return err
	}
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return garbled{errors.New("an empty answer")}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return garbled{fmt.Errorf("an answer that is not what Vault says: %w", err)}
	}
	return nil
}

// garbled is an answer that cannot be read.
type garbled struct{ error }

// outage sorts what went wrong into a cause.
func outage(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err) // the caller left; Vault is not to blame
	}
	var known *keys.Outage
	if errors.As(err, &known) {
		return err
	}
	short := brief(err)
	var refused *api.ResponseError
	if errors.As(err, &refused) &&
		(refused.StatusCode == http.StatusBadRequest || strings.Contains(short.Error(), "failed to RSA decrypt")) {
		short = &badInput{short}
	}
	return &keys.Outage{Cause: causeOf(err), Doing: doing, Err: short}
}

func causeOf(err error) keys.Cause {
	var refused *api.ResponseError
	var timeout net.Error
	switch {
	case errors.As(err, &refused):
		return causeOfStatus(refused)
	case errors.As(err, new(garbled)):
		return keys.BadAnswer
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return keys.Slow
	}
	return keys.Unreachable
}

func causeOfStatus(e *api.ResponseError) keys.Cause {
	reported := strings.ToLower(strings.Join(e.Errors, " "))
	has := func(words string) bool { return strings.Contains(reported, words) }
	switch {
	case has("vault is sealed"):
		return keys.Sealed
	case has("standby"), has("node not active"), e.StatusCode == http.StatusTemporaryRedirect, e.StatusCode == 472, e.StatusCode == 473:
		return keys.Standby
	case has("audit"), e.StatusCode == http.StatusInternalServerError && has("internal error") && !has("key"):
		// Vault does not say more than "internal error" when it cannot write.
		return keys.AuditBlocked
	case e.StatusCode == http.StatusForbidden:
		return keys.PermissionDenied
	case e.StatusCode == http.StatusTooManyRequests:
		return keys.Overloaded
	case e.StatusCode == http.StatusNotFound, e.StatusCode == http.StatusBadRequest && isAboutVersion(reported):
		return keys.KeyMissing
	case e.StatusCode >= 500:
		return keys.Unreachable
	}
	return keys.BadAnswer
}

// isAboutVersion reports whether what Vault said is that the key or its version is
// not to be had.
func isAboutVersion(reported string) bool {
	return strings.Contains(reported, "not found") || strings.Contains(reported, "version") || strings.Contains(reported, "too old")
}

// brief keeps what was said and leaves out the rest of Vault's page-long error.
func brief(err error) error {
	var refused *api.ResponseError
	if !errors.As(err, &refused) {
		return err
	}
	reported := strings.Join(refused.Errors, "; ")
	if len(reported) > 200 {
		reported = reported[:200] + "…"
	}
	return fmt.Errorf("status %d: %s", refused.StatusCode, strings.TrimSpace(reported))
}

// isBadInput reports whether Vault refused what was sent (a ciphertext that is not
// its own), and not to serve.
func isBadInput(err error) bool {
	var refused *badInput
	return errors.As(err, &refused)
}

// badInput marks an answer that is about the input: status 400, or 500 for an RSA
// ciphertext.
type badInput struct{ error }
