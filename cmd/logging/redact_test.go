package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"hopnhat/keys"
	"hopnhat/keys/seal"
)

// TestLinesNameTheirRequest: a line that is written while a request is answered has
// the id of its X-Request-Id.
func TestLinesNameTheirRequest(t *testing.T) {
	var out bytes.Buffer
	logger, err := New(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	logger.With("part", "x").InfoContext(keys.WithRequest(t.Context(), "01939f6e"), "something")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["request"] != "01939f6e" || line["part"] != "x" {
		t.Errorf("%v in %s", err, out.String())
	}
}

// TestLogsHoldNoIdentifiers: whoever lets one slip in, it does not come out.
func TestLogsHoldNoIdentifiers(t *testing.T) {
	const (
		number  = "099304000017"
		jwt     = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
		refresh = "hnr.AAAAAAAAAAAAAAAAAAAA"
		pushed  = "urn:ietf:params:oauth:request_uri:abcDEF"
		jwe     = "eyJhbGciOiJSU0EifQ.a2V5.aXY.Y2lwaGVy.dGFn"
		front   = "hna.eyJpc3MiOiJ4In0.bWFj"
		device  = "hnq.0123456789.bWFj"
		mail    = "nguyen.van-a@thu.example.vn"
	)
	var out bytes.Buffer
	logger, err := New(&out, "debug")
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("message with "+number, "text", "x "+number+" "+jwt, "error", errors.New("failed for "+refresh), "list", []string{pushed})
	logger.Warn("y", "user_code", "WDJB-MJHT", "cause", front+" "+device, "error", fmt.Errorf("%s: %w", mail, errors.New(jwe)))
	logger.With("password", "p4ss", "nested", slog.GroupValue(slog.String("token", "s3cret"))).Warn("x", "code", 123456)
	logger.WithGroup("g").Info("y", "number", number)
	for _, name := range []string{"subject_token", "actor_token", "client_notification_token", "login_hint_token", "id_token_hint", "logout_token", "code_verifier"} {
		logger.Info("y", name, "opaque-value-of-"+name)
	}
	for _, secret := range []string{number, jwt, refresh, "abcDEF", "Y2lwaGVy", "dGFn", "bWFj", "0123456789", "nguyen", "thu.example", "MJHT", "p4ss", "s3cret", "123456", "opaque-value"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, &out)
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing was redacted")
	}
}

// TestNoTokenIsLogged: a text of each use that has a prefix is taken out.
func TestNoTokenIsLogged(t *testing.T) {
	if len(seal.Prefixes()) == 0 {
		t.Fatal("no use has a prefix")
	}
	for _, prefix := range seal.Prefixes() {
		if got := identifiers.ReplaceAllString("token "+prefix+"c2VjcmV0.bWFj.", redacted); got != "token "+redacted {
			t.Errorf("%s: %q", prefix, got)
		}
	}
}
