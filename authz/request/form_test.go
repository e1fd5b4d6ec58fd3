package request_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

func TestParseFormRefuses(t *testing.T) {
	for _, row := range []struct{ name, raw string }{
		{"RFC 6749 §3.1: a parameter twice", "a=1&a=2"},
		{"a value that is over-long", "a=" + strings.Repeat("x", 5000)},
		{"a body that is over-long", strings.Repeat("a", 70<<10)},
		{"too many parameters", strings.TrimSuffix(func() string {
			var b strings.Builder
			for i := range 100 {
				b.WriteString("p" + strings.Repeat("x", i) + "=1&")
			}
			return b.String()
		}(), "&")},
		{"RFC 6749 §3.1: more than there can be, though all are empty", strings.Repeat("&", 200)},
		{"not UTF-8", "a=%ff%fe"},
		{"not UTF-8 in a name", "%ff=a"},
		{"NUL, which PostgreSQL takes in no text", "state=a%00b"},
		{"NUL in a name", "a%00=b"},
		{"NUL in JSON", "claims=%7B%22a%00%22%3A1%7D"},
		{"a line break", "nonce=a%0Ab"},
		{"a mark of direction", "ui_locales=vi%E2%80%AE"},
		{"not form-encoded", "a=%zz"},
		{"a resource nine times", strings.TrimSuffix(strings.Repeat("resource=x&", 9), "&")},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := request.ParseForm(row.raw)
			var refusal *authz.Error
			if !errors.As(err, &refusal) || refusal.Code != authz.InvalidRequest {
				t.Fatalf("got %v", err)
			}
		})
	}
	if _, err := request.ParseForm("claims=%7B%0D%0A%09%22a%22%3A1%7D"); err != nil {
		t.Fatalf("RFC 8259 §2: JSON with white space: %v", err)
	}
	form, err := request.ParseForm("a=&b=1&resource=x&resource=y")
	if err != nil || form.Has("a") || form.Get("b") != "1" || len(form["resource"]) != 2 {
		t.Fatalf("RFC 6749 §3.1: a parameter without a value is omitted: %v, %v", form, err)
	}
}

// TestMalformedParameter: who wrote a percent sign as it is learns where.
// TestARefusalNamesTheParameter: a parameter of a standard that is offered is named where it
// is given twice, and one that somebody made up is not repeated.
func TestARefusalNamesTheParameter(t *testing.T) {
	for source, names := range map[string]string{
		"RFC 6749 §3.2": "grant_type code redirect_uri refresh_token scope client_id client_secret", "RFC 7636 §4.5": "code_verifier",
		"RFC 7521 §4": "assertion client_assertion client_assertion_type", "RFC 8628 §3.4": "device_code user_code",
		"RFC 8693 §2.1": "subject_token subject_token_type actor_token actor_token_type requested_token_type",
		"RFC 9126 §2.1": "request_uri request", "RFC 7009 §2.1": "token token_type_hint", "RFC 9396 §2": "authorization_details",
		"CIBA Core §7.1": "binding_message requested_expiry login_hint login_hint_token id_token_hint client_notification_token auth_req_id",
	} {
		for _, name := range strings.Fields(names) {
			_, err := request.ParseForm(name + "=a&" + name + "=b")
			var refusal *authz.Error
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Description, name+" is given 2 times") {
				t.Errorf("%s: %s is not named: %v", source, name, err)
			}
		}
	}
	if _, err := request.ParseForm("evil=a&evil=b"); err == nil || strings.Contains(err.Error(), "evil") {
		t.Errorf("a made-up name is repeated: %v", err)
	}
}

func TestMalformedParameter(t *testing.T) {
	for raw, want := range map[string]string{
		"redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=100%": "state", "redirect_uri=%zz&state=s": "redirect_uri", "a%zz=b": "",
	} {
		_, err := request.ParseForm(raw)
		var refusal *authz.Error
		if !errors.As(err, &refusal) || refusal.Code != authz.InvalidRequest || refusal.Parameter != want {
			t.Errorf("%s: got %v at %q, want %q", raw, err, refusal.Parameter, want)
		}
	}
}

// FuzzParseForm: what is accepted reads the same when it is written out again, and
// is within the limits.
func FuzzParseForm(f *testing.F) {
	f.Add("a=1&b=%20&resource=x&resource=y")
	f.Add("a=&&;=%zz&a")
	f.Fuzz(func(t *testing.T, raw string) {
		form, err := request.ParseForm(raw)
		if err != nil {
			var refusal *authz.Error
			if !errors.As(err, &refusal) || refusal.Code != authz.InvalidRequest || len(refusal.Description) > 200 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		again, err := request.ParseForm(form.Encode())
		if err != nil || !reflect.DeepEqual(form, again) {
			t.Fatalf("%v became %v, %v", form, again, err)
		}
		if len(form) > 64 {
			t.Fatalf("%d parameters", len(form))
		}
	})
}
