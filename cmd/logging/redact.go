package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"hopnhat/keys"
	"hopnhat/keys/seal"
)

// identifiers are what a log line must never hold: personal numbers, addresses of
// e-mail, and tokens in any of their forms: ours by their prefixes ([seal.Uses]), JWS
// and JWE, and pushed requests.
var identifiers = regexp.MustCompile(`\b\d{12}\b|\b(?:` + tokenPrefixes() + `)[A-Za-z0-9._-]+|\beyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){2,4}|` +
	`urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`)

// tokenPrefixes are the prefixes of our tokens as alternatives.
func tokenPrefixes() string {
	prefixes := seal.Prefixes()
	for i, prefix := range prefixes {
		prefixes[i] = regexp.QuoteMeta(prefix)
	}
	return strings.Join(prefixes, "|")
}

// secretNames are attributes whose value is never written.
var secretNames = []string{
	"password", "secret", "token", "code", "number", "cookie", "authorization", "assertion", "client_secret", "client_assertion",
	"access_token", "refresh_token", "registration_access_token", "device_code", "user_code", "auth_req_id", "login_hint",
	"subject_token", "actor_token", "client_notification_token", "login_hint_token", "id_token", "id_token_hint", "logout_token", "code_verifier",
}

// New writes JSON lines; identifiers and secrets come out as [redacted],
// whoever let them slip in. A flood of one kind of line is folded.
func New(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log_level %q: use debug, info, warn or error", level)
	}
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: redact})
	return slog.New(folds{messages{handler}, process}), nil
}

const redacted = "[redacted]"

func redact(_ []string, a slog.Attr) slog.Attr {
	for _, name := range secretNames {
		if strings.EqualFold(a.Key, name) {
			return slog.String(a.Key, redacted)
		}
	}
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, identifiers.ReplaceAllString(a.Value.String(), redacted))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			return slog.String(a.Key, identifiers.ReplaceAllString(err.Error(), redacted))
		}
		if text := fmt.Sprint(a.Value.Any()); identifiers.MatchString(text) {
			return slog.String(a.Key, identifiers.ReplaceAllString(text, redacted))
		}
	}
	return a
}

// messages redacts the message itself, and names the request that a line is about:
// the id of its X-Request-Id.
type messages struct{ slog.Handler }

func (m messages) Handle(ctx context.Context, r slog.Record) error {
	if id := keys.RequestOf(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request", id))
	}
	if identifiers.MatchString(r.Message) {
		clean := slog.NewRecord(r.Time, r.Level, identifiers.ReplaceAllString(r.Message, redacted), r.PC)
		r.Attrs(func(a slog.Attr) bool { clean.AddAttrs(a); return true })
		r = clean
	}
	return m.Handler.Handle(ctx, r)
}

func (m messages) WithAttrs(a []slog.Attr) slog.Handler { return messages{m.Handler.WithAttrs(a)} }
func (m messages) WithGroup(name string) slog.Handler   { return messages{m.Handler.WithGroup(name)} }
