package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestLanguage: the person's own choice is above what an app asks for, and that
// above what the browser prefers (RFC 9110 §12.5.4); an app's wish lasts for its
// request, error pages included, and is not kept.
func TestLanguage(t *testing.T) {
	s := routed()
	for _, row := range []struct {
		name, method, path, body, accept, cookie, want string
		kept                                           bool
	}{
		{"nothing is said", "GET", "/device", "", "", "", "vi", false},
		{"the browser prefers English", "GET", "/device", "", "en-GB,en;q=0.9", "", "en", false},
		{"RFC 5646 §2.1.1: in capitals", "GET", "/device", "", "EN-us", "", "en", false},
		{"RFC 5646 §2.2.1: three letters are another language", "GET", "/device", "", "vie, en;q=0.5", "", "en", false},
		{"RFC 9110 §12.4.2: weights count", "GET", "/device", "", "en;q=0.4, vi;q=0.8", "", "vi", false},
		{"RFC 9110 §12.4.2: weight 0 is not wanted", "GET", "/device", "", "vi;q=0, en;q=0.1", "", "en", false},
		{"a language that nobody here speaks", "GET", "/device", "", "fr-FR", "", "vi", false},
		{"a choice is kept", "GET", "/device?lang=en", "", "", "", "en", true},
		{"and counts afterwards", "GET", "/device", "", "vi", "en", "en", false},
		{"a choice that is none", "GET", "/device?lang=xx", "", "", "", "vi", false},
		{"an app asks for English", "GET", "/device?ui_locales=fr+EN-gb+vi", "", "vi", "", "en", false},
		{"the person chose before", "GET", "/device?ui_locales=en", "", "en", "vi", "vi", false},
		{"and now", "GET", "/device?ui_locales=en&lang=vi", "", "en", "", "vi", true},
		{"an app asks for what nobody speaks", "GET", "/device?ui_locales=vie", "", "en", "", "en", false},
		{"an error page", "GET", "/nowhere?ui_locales=en", "", "", "", "en", false},
		{"an error page of a form", "POST", "/signin", "ui_locales=en", "", "", "en", false},
		{"an error page of a sign-out", "GET", "/logout/confirm?ui_locales=en", "", "", "", "en", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(row.method, row.path, strings.NewReader(row.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Accept-Language", row.accept)
			if row.cookie != "" {
				r.AddCookie(&http.Cookie{Name: "hn_lang", Value: row.cookie})
			}
			response, err := s.app.Test(r, -1)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || !strings.Contains(string(raw), `<html lang="`+row.want+`"`) {
				t.Errorf("%d, %v: the page is not in %s: %.60s", response.StatusCode, err, row.want, raw)
			}
			kept := slices.ContainsFunc(response.Cookies(), func(c *http.Cookie) bool { return c.Name == "hn_lang" })
			if kept != row.kept {
				t.Errorf("kept: %v, want %v", kept, row.kept)
			}
		})
	}
}
