package rp

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

// driver is a browser that uses the app without a person.
type driver struct {
	c         Config
	transport http.RoundTripper
	jar       http.CookieJar
}

// maxRedirects bounds where a browser is sent.
const maxRedirects = 20

// landing is where it came to.
type landing struct {
	address string
	status  int
	text    string
	stopped string // the callback it was kept from opening
}

func (d *driver) signIn(t *Trial, s *SignIn) view {
	d.fresh(t)
	return d.judge(t, d.open(t, d.c.Drive.Start, ""))
}

// fresh is a browser that has been nowhere.
func (d *driver) fresh(t *Trial) {
	jar, err := cookiejar.New(nil)
	t.Works(err, "making a browser")
	d.jar = jar
}

func (d *driver) refresh(t *Trial) bool {
	if d.c.Drive.Refresh == "" {
		return false
	}
	d.open(t, d.c.Drive.Refresh, "")
	return true
}

func (d *driver) look(t *Trial) view {
	if d.c.Drive.Page == "" {
		return view{text: "no page of the app was given to look at"}
	}
	return d.judge(t, d.open(t, d.c.Drive.Page, ""))
}

// judge looks for the mark, on the page given for it or else on the one it came to.
func (d *driver) judge(t *Trial, l landing) view {
	if d.c.Drive.Page != "" {
		if _, address := action(d.c.Drive.Page); l.address != address {
			l = d.open(t, d.c.Drive.Page, "")
		}
	}
	v := view{text: fmt.Sprintf("status %d at %s", l.status, l.address)}
	mark := d.c.SignedIn
	if mark.empty() {
		return v
	}
	v.shown = out
	if strings.Contains(l.text, mark.Text) && strings.Contains(l.address, mark.URL) && (mark.Status == 0 || mark.Status == l.status) {
		v.shown = in
	}
	return v
}

// open goes where a browser would, until a page; it stops before an address that
// begins with one given.
func (d *driver) open(t *Trial, step, before string) landing {
	method, address := action(step)
	request, err := http.NewRequestWithContext(t.ctx, method, address, nil)
	t.Works(err, "opening "+address)
	client := &http.Client{
		Jar: d.jar, Transport: d.transport, Timeout: 2 * d.c.Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for range maxRedirects {
		if before != "" && strings.HasPrefix(request.URL.String(), before) {
			return landing{stopped: request.URL.String()}
		}
		began := time.Now()
		answer, err := client.Do(request)
		t.Works(err, "the browser's "+request.Method+" "+request.URL.Redacted())
		raw, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
		answer.Body.Close()
		t.Works(err, "reading "+request.URL.Redacted())
		t.Record(suite.Exchange{
			By: "browser", Method: request.Method, URL: request.URL.String(), Header: request.Header, Status: answer.StatusCode,
			Response: answer.Header,
			Answer:   string(raw), Took: time.Since(began),
		})
		if to, err := answer.Location(); err == nil && answer.StatusCode >= 300 && answer.StatusCode < 400 {
			request, err = http.NewRequestWithContext(t.ctx, http.MethodGet, to.String(), nil)
			t.Works(err, "following a redirect")
			continue
		}
		next, err := d.posted(request.URL, answer.StatusCode, string(raw))
		t.Works(err, "reading a page")
		if next == nil {
			return landing{address: request.URL.String(), status: answer.StatusCode, text: string(raw)}
		}
		request = next.WithContext(t.ctx)
	}
	t.Works(fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, request.URL.Redacted()), "coming to a page")
	return landing{}
}

// posted is what the provider's self-submitting page sends to the app.
func (d *driver) posted(at *url.URL, status int, text string) (*http.Request, error) {
	page, err := suite.ReadPage(at, status, text)
	if err != nil {
		return nil, err
	}
	for _, form := range page.Forms {
		for _, uri := range d.c.Client.RedirectURIs {
			if form.Action.String() != uri || form.Method != http.MethodPost {
				continue
			}
			values := url.Values{}
			for _, field := range form.Fields {
				if field.Type == "hidden" {
					values.Set(field.Name, field.Value)
				}
			}
			request, err := http.NewRequest(http.MethodPost, uri, strings.NewReader(values.Encode()))
			if err == nil {
				request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			return request, err
		}
	}
	return nil, nil
}
