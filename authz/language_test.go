package authz_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

func TestLanguage(t *testing.T) {
	for _, row := range []struct{ name, ranges, want string }{
		{"none", "", ""},
		{"RFC 4647 §3.4: a range as it is", "en", "en"},
		{"RFC 4647 §3.4: what is more special fits", "en-GB", "en"},
		{"RFC 4647 §3.4: and more special still", "vi-Latn-VN-x-hue", "vi"},
		{"RFC 5646 §2.1.1: case says nothing", "EN-us", "en"},
		{"RFC 5646 §2.1.1: nor does it alone", "VI", "vi"},
		{"RFC 5646 §2.2.1: the shortest code is the only one", "vie", ""},
		{"RFC 5646 §2.2.1: of English too", "eng-GB", ""},
		{"the first that fits", "fr de-CH en vi", "en"},
		{"no language begins with ours", "env viet", ""},
		{"RFC 5646 §2.1: no subtag is empty", "en-", ""},
		{"RFC 5646 §2.1: nor longer than eight letters", "en-abcdefghi", ""},
		{"RFC 5646 §2.1: nor of other letters", "en-ü", ""},
		{"an underscore is no hyphen", "en_US", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := authz.Language(strings.Fields(row.ranges)...); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		ranges := rapid.SliceOf(rapid.StringMatching(`[A-Za-z]{1,4}(-[A-Za-z0-9]{1,8}){0,3}`)).Draw(t, "ranges")
		got := authz.Language(ranges...)
		if got != authz.Language(strings.Fields(strings.ToUpper(strings.Join(ranges, " ")))...) {
			t.Fatal("case says something")
		}
		if got != "" && !strings.Contains(strings.ToLower(" "+strings.Join(ranges, " ")+" "), " "+got) {
			t.Fatalf("got %q of %q", got, ranges)
		}
	})
}
