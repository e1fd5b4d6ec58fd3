package request_test

import (
	"errors"
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
		{"not UTF-8", "a=%ff%fe"},
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
	form, err := request.ParseForm("a=&b=1&resource=x&resource=y")
	if err != nil || form.Has("a") || form.Get("b") != "1" || len(form["resource"]) != 2 {
		t.Fatalf("RFC 6749 §3.1: a parameter without a value is omitted: %v, %v", form, err)
	}
}
