package page_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

// TestFieldsAreOfTheBody: what stands in the address of a POST is no field of its
// form.
func TestFieldsAreOfTheBody(t *testing.T) {
	got := pagetest.New().PostAs(t, "/fields", "/fields?b=address", url.Values{"a": {"body"}}, func(v *page.Visit) error {
		return v.C.SendString(v.Field("a") + "," + v.Field("b") + "," + v.Param("b"))
	})
	if got.Err != nil || got.Body != "body,," {
		t.Errorf("got %q, %v", got.Body, got.Err)
	}
}

// TestForms: which forms each check takes. The outcome is the fault of a form that is
// not ours, a redirect to the page that can be shown again, or nothing.
func TestForms(t *testing.T) {
	const ours, evil, again = pagetest.Issuer, "https://evil.example", "/again"
	refused, redirected := string(view.ErrorForm), again
	for _, row := range []struct {
		name, token, origin, site string
		bound                     bool // the browser has a binding
		form, signIn, or          string
	}{
		{"our form", "hers", ours, "same-origin", true, "", "", ""},
		{"our form, of a browser that says nothing", "hers", "", "", true, "", "", ""},
		{"another browser's token", "another's", "", "", true, refused, refused, refused},
		{"another tab's token, from a page of ours", "another's", ours, "same-origin", true, refused, "", redirected},
		{"no token, from a page of ours", "", ours, "same-origin", true, refused, "", redirected},
		{"no token, and no word of where from", "", "", "", true, refused, refused, refused},
		{"no token, of a browser without a binding", "", ours, "same-origin", false, refused, refused, refused},
		{"from another origin", "hers", evil, "", true, refused, refused, refused},
		{"from a page that hides its origin", "hers", "null", "", true, refused, refused, refused},
		{"from another site", "hers", "", "cross-site", true, refused, refused, refused},
		{"from another site that says it is ours", "hers", ours, "cross-site", true, refused, refused, refused},
		{"from another host of our site", "hers", "https://www.id.example", "same-site", true, refused, refused, refused},
	} {
		for _, check := range []struct {
			name string
			run  func(*page.Visit) error
			want string
		}{
			{"CheckForm", (*page.Visit).CheckForm, row.form},
			{"CheckSignInForm", (*page.Visit).CheckSignInForm, row.signIn},
			{"CheckFormOr", func(v *page.Visit) error { return v.CheckFormOr(again) }, row.or},
		} {
			t.Run(row.name+": "+check.name, func(t *testing.T) {
				b := pagetest.New()
				token := map[string]string{"hers": b.Token(), "another's": b.Forms().Token(strings.Repeat("c", 43), "form")}[row.token]
				if !row.bound {
					b.SetCookie(b.BindingName(), "")
				}
				for name, value := range map[string]string{"Origin": row.origin, "Sec-Fetch-Site": row.site} {
					if value != "" {
						b.Header.Set(name, value)
					}
				}
				got := b.PostAs(t, "/", "/", url.Values{"csrf": {token}}, check.run)
				if outcome := got.Fault() + got.Location; outcome != check.want {
					t.Errorf("got %q, want %q", outcome, check.want)
				}
			})
		}
	}
}

// TestWhatABrowserCarries is good in that browser, for that purpose, and nowhere else.
func TestWhatABrowserCarries(t *testing.T) {
	b, other := pagetest.New(), pagetest.New()
	other.SetCookie(other.BindingName(), strings.Repeat("c", 43))
	stranger := pagetest.New()
	stranger.SetCookie(stranger.BindingName(), "")
	var token, sealed string
	b.Get(t, "/", "/", func(v *page.Visit) error {
		token, sealed = v.Token("one"), v.Seal("one", []byte("secret"))
		return nil
	})
	if strings.Contains(sealed, "secret") {
		t.Error("what is sealed can be read")
	}
	for _, row := range []struct {
		name    string
		in      *pagetest.Browser
		purpose string
		want    bool
	}{
		{"where it was made", b, "one", true},
		{"for another purpose", b, "two", false},
		{"in another browser", other, "one", false},
		{"in a browser without a binding", stranger, "one", false},
	} {
		row.in.Get(t, "/", "/", func(v *page.Visit) error {
			plain, ok := v.Open(row.purpose, sealed)
			if genuine := v.Genuine(row.purpose, token); genuine != row.want || ok != row.want || ok && string(plain) != "secret" {
				t.Errorf("%s: genuine %v, opened %v %q, want %v", row.name, genuine, ok, plain, row.want)
			}
			return nil
		})
	}
}

// TestParametersAreText: a parameter that is no text has a page of errors, unless a
// person may have typed it.
func TestParametersAreText(t *testing.T) {
	for _, row := range []struct {
		name, method, target, body string
		refused                    bool
	}{
		{"a text", "GET", "/?a=Đà+Nẵng", "", false},
		{"bytes that are no UTF-8", "GET", "/?a=%ff", "", true},
		{"a zero", "GET", "/?a=a%00b", "", true},
		{"a name that is no text", "GET", "/?%ff=a", "", true},
		{"a text in a form", "POST", "/", "a=b", false},
		{"a zero in a form", "POST", "/", "a=%00", true},
		{"a zero in a number that was typed", "POST", "/", "number=%00", false},
		{"a zero in a password", "POST", "/", "password=%00", false},
		{"a zero in the address of a form", "POST", "/?a=%00", "b=c", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(row.method, row.target, strings.NewReader(row.body))
			if row.method == http.MethodPost {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			ran := false
			got := pagetest.New().Do(t, "/", r, func(*page.Visit) error { ran = true; return nil })
			if refused := got.Fault() == string(view.ErrorBadRequest); refused != row.refused || ran == row.refused {
				t.Errorf("refused: %v, the page ran: %v", refused, ran)
			}
		})
	}
}
