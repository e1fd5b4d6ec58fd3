package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"hopnhat/keys"
)

// login keeps the token with which this process is let in: a file that an agent
// keeps, or an AppRole that is renewed at two thirds of its token's life and
// signed in again when that fails.
type login struct {
	o *Options
	c *client

	mu       sync.Mutex // one sign-in at a time; others wait for it
	value    string
	signedIn time.Time
	renewAt  time.Time // zero: no need
	secretID string    // unwrapped
	unwrapOf string    // the wrapping token it came out of
}

// again is how soon after a sign-in a refusal is believed to be the policy's and
// not the token's.
const again = 2 * time.Second

// token gives the token, signing in if there is none yet.
func (l *login) token(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.value == "" {
		if err := l.signIn(ctx); err != nil {
			return "", err
		}
	}
	return l.value, nil
}

// refused is called when Vault did not take a token for a call; it gives the
// token to try with, the same one if that is good.
func (l *login) refused(ctx context.Context, token string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.value != token || time.Since(l.signedIn) < again {
		return l.value, nil // somebody else was quicker, or it is quite new
	}
	if err := l.c.do(ctx, call{doing: "asking whether the token is good", path: "auth/token/lookup-self", token: token}); err == nil {
		return token, nil
	} else if cause, _ := keys.CauseOf(err); cause != keys.PermissionDenied {
		return "", err
	}
	if err := l.signIn(ctx); err != nil {
		return "", err
	}
	if l.value == token {
		return "", &keys.Outage{Cause: keys.TokenExpired, Doing: "signing in to Vault", Err: errors.New("the token is refused, and its file holds no other")}
	}
	return l.value, nil
}

// signIn gets a token. The lock is held.
func (l *login) signIn(ctx context.Context) error {
	if l.o.TokenFile != "" {
		token, err := secretFile(l.o.TokenFile)
		if err != nil {
			return &keys.Outage{Cause: keys.TokenExpired, Doing: "reading Vault's token", Err: err}
		}
		l.value, l.signedIn = token, time.Now()
		return l.lookup(ctx)
	}
	secretID, err := l.secret(ctx)
	if err != nil {
		return err
	}
	var answer struct {
		Auth struct {
			Token     string `json:"client_token"`
			Lease     int    `json:"lease_duration"` // seconds
			Renewable bool   `json:"renewable"`
		} `json:"auth"`
	}
	err = l.c.do(ctx, call{
		doing: "signing in to Vault", path: "auth/" + l.o.AppRoleMount + "/login", bare: true, into: &answer,
		body: map[string]string{"role_id": l.o.RoleID, "secret_id": secretID},
	})
	if cause, _ := keys.CauseOf(err); cause == keys.PermissionDenied || cause == keys.BadAnswer || cause == keys.KeyMissing {
		l.secretID = "" // so that a new file is looked at
		return &keys.Outage{Cause: keys.TokenExpired, Doing: "signing in to Vault", Err: err}
	}
	if err != nil {
		return err
	}
	if answer.Auth.Token == "" {
		return &keys.Outage{Cause: keys.BadAnswer, Doing: "signing in to Vault", Err: errors.New("no token in the answer")}
	}
	l.value, l.signedIn = answer.Auth.Token, time.Now()
	l.schedule(answer.Auth.Lease, answer.Auth.Renewable)
	return nil
}

// schedule plans the renewal at two thirds of the life.
func (l *login) schedule(lease int, renewable bool) {
	l.renewAt = time.Time{}
	if lease > 0 {
		life := time.Duration(lease) * time.Second
		l.renewAt = time.Now().Add(life * 2 / 3)
		if !renewable {
			l.renewAt = time.Now().Add(life * 9 / 10) // a new one instead
		}
	}
}

// lookup finds out how long a token from a file lives. A token whose policy does
// not let it look at itself is used as it is.
func (l *login) lookup(ctx context.Context) error {
	var answer wrapper[struct {
		TTL       int  `json:"ttl"`
		Renewable bool `json:"renewable"`
	}]
	err := l.c.do(ctx, call{doing: "looking at the token", path: "auth/token/lookup-self", token: l.value, into: &answer})
	if cause, ok := keys.CauseOf(err); ok && cause == keys.PermissionDenied {
		l.renewAt = time.Time{}
		return nil
	}
	l.schedule(answer.Data.TTL, answer.Data.Renewable)
	return err
}

// secret gives the secret id: from the file, out of its wrapping if it is
// wrapped. What was unwrapped is kept, since a wrapping token gives it once.
func (l *login) secret(ctx context.Context) (string, error) {
	text, err := secretFile(l.o.SecretIDFile)
	if err != nil {
		if l.secretID != "" { // delivered and deleted, as it should be
			return l.secretID, nil
		}
		return "", &keys.Outage{Cause: keys.TokenExpired, Doing: "reading the AppRole's secret id", Err: err}
	}
	if !l.o.SecretIDWrapped {
		return text, nil
	}
	if l.secretID != "" && l.unwrapOf == text {
		return l.secretID, nil
	}
	secretID, err := l.unwrap(ctx, text)
	if err != nil {
		return "", err
	}
	l.secretID, l.unwrapOf = secretID, text
	return secretID, nil
}

// creation is where a wrapped secret id must have been made: anything else in the
// wrapping was put there by somebody else.
var creation = regexp.MustCompile(`^auth/.+/role/[^/]+/secret-id$`)

func (l *login) unwrap(ctx context.Context, token string) (string, error) {
	var wrapping wrapper[struct {
		Path string `json:"creation_path"`
	}]
	spoilt := func(err error) error {
		if isOutage(err, keys.Sealed, keys.Unreachable, keys.Slow, keys.Standby) {
			return err
		}
		return &keys.Outage{
			Cause: keys.TokenExpired, Doing: "unwrapping the AppRole's secret id",
			Err: fmt.Errorf("the wrapping token is spent, expired or not one. It opens once: whoever starts a node delivers a fresh one each time (docs/keys.md); if no process of this node spent it, somebody else did, and the secret id must be revoked: %w", err),
		}
	}
	if err := l.c.do(ctx, call{doing: "looking at the wrapping", path: "sys/wrapping/lookup", bare: true, body: map[string]string{"token": token}, into: &wrapping}); err != nil {
		return "", spoilt(err)
	}
	if !creation.MatchString(wrapping.Data.Path) {
		return "", &keys.Outage{
			Cause: keys.TokenExpired, Doing: "unwrapping the AppRole's secret id",
			Err: fmt.Errorf("what is wrapped was made at %q, not where secret ids are", wrapping.Data.Path),
		}
	}
	var wrapped wrapper[struct {
		SecretID string `json:"secret_id"`
	}]
	if err := l.c.do(
		ctx, call{
			doing: "unwrapping the AppRole's secret id", path: "sys/wrapping/unwrap", token: token, body: struct{}{}, into: &wrapped, once: true,
		},
	); err != nil {
		return "", spoilt(err)
	}
	if wrapped.Data.SecretID == "" {
		return "", spoilt(errors.New("no secret id in it"))
	}
	return wrapped.Data.SecretID, nil
}

func isOutage(err error, causes ...keys.Cause) bool {
	cause, ok := keys.CauseOf(err)
	for _, c := range causes {
		if ok && c == cause {
			return true
		}
	}
	return false
}

// keep renews when it is time. It is called now and then; what fails is tried
// again the next time, and a call that is refused meanwhile signs in by itself.
func (l *login) keep(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.TokenFile != "" {
		if token, err := secretFile(l.o.TokenFile); err == nil && token != l.value {
			return l.signIn(ctx) // the agent has a new one
		}
	}
	if l.value == "" || l.renewAt.IsZero() || time.Now().Before(l.renewAt) {
		return nil
	}
	var answer struct {
		Auth struct {
			Lease     int  `json:"lease_duration"`
			Renewable bool `json:"renewable"`
		} `json:"auth"`
	}
	err := l.c.do(ctx, call{doing: "renewing the token", path: "auth/token/renew-self", token: l.value, body: struct{}{}, into: &answer})
	if err == nil && answer.Auth.Renewable && answer.Auth.Lease > 10 {
		l.schedule(answer.Auth.Lease, true)
		return nil
	}
	if isOutage(err, keys.Sealed, keys.Unreachable, keys.Slow, keys.Standby, keys.AuditBlocked) {
		return err
	}
	return l.signIn(ctx) // it is at the end of its life
}

// secretFile reads a secret without the line end that editors add.
func secretFile(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}
