package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// browser makes requests and keeps cookies. It is no more than the servers
// measured need: the load must not cost more than what it loads.
type browser struct {
	base      string
	transport http.RoundTripper
	cookies   map[string]string
}

// newTransport keeps connections for less time than the server does, which
// answers 400 on one that it gives up.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512, DisableCompression: true, IdleConnTimeout: 10 * time.Second}
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

const maxAnswer = 1 << 20

// send makes a request to a path of the server or to a full URL of it.
func (b *browser) send(ctx context.Context, method, target, body string, header http.Header) (answer, error) {
	if strings.HasPrefix(target, "/") {
		target = b.base + target
	}
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header["Content-Type"] = formType
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	response, err := b.transport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	if b.cookies != nil {
		for _, c := range response.Cookies() {
			b.cookies[c.Name] = c.Value
		}
	}
	return answer{response.StatusCode, response.Header, content}, nil
}

var formType = []string{"application/x-www-form-urlencoded"}

// expect is send for one status.
func (b *browser) expect(ctx context.Context, status int, method, target, body string, header http.Header) (answer, error) {
	a, err := b.send(ctx, method, target, body, header)
	if err == nil && a.status != status {
		err = a.unexpected(method, target)
	}
	return a, err
}

func (a answer) unexpected(method, target string) error {
	path, _, _ := strings.Cut(target, "?")
	text := a.body
	if len(text) > 300 {
		text = text[:300]
	}
	return fmt.Errorf("%s %s answered %d: %s", method, path, a.status, text)
}

var (
	inputTag  = regexp.MustCompile(`<input [^>]*>`)
	attribute = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
	actionOf  = regexp.MustCompile(`action="([^"]*)"`)
)

// readForm reads the first form of a page's main part: where it goes, its hidden
// fields, and its boxes as if all were ticked.
func readForm(page []byte) (action string, fields url.Values, ok bool) {
	if at := bytes.Index(page, []byte("<main")); at >= 0 {
		page = page[at:]
	}
	start := bytes.Index(page, []byte("<form"))
	if start < 0 {
		return "", nil, false
	}
	page = page[start:]
	if end := bytes.Index(page, []byte("</form>")); end >= 0 {
		page = page[:end]
	}
	found := actionOf.FindSubmatch(page)
	if found == nil {
		return "", nil, false
	}
	fields = url.Values{}
	for _, tag := range inputTag.FindAll(page, -1) {
		var kind, name, value string
		for _, a := range attribute.FindAllSubmatch(tag, -1) {
			switch string(a[1]) {
			case "type":
				kind = string(a[2])
			case "name":
				name = string(a[2])
			case "value":
				value = html.UnescapeString(string(a[2]))
			}
		}
		if kind == "hidden" || kind == "checkbox" {
			fields.Add(name, value)
		}
	}
	return html.UnescapeString(string(found[1])), fields, true
}

// maxSteps bounds a sign-in: redirects and pages together.
const maxSteps = 12

var errRanOut = errors.New("nobody has a one-time code left")

// authorize goes from the address that starts an authorization through every page
// on the way, until the app's redirect URI, which is returned. who may be nil for
// a browser that is signed in.
func (b *browser) authorize(ctx context.Context, start, redirect string, who *credentials) (*url.URL, error) {
	method, target, body := http.MethodGet, start, ""
	for range maxSteps {
		a, err := b.send(ctx, method, target, body, nil)
		if err != nil {
			return nil, err
		}
		if a.status == http.StatusSeeOther || a.status == http.StatusFound {
			location := a.header.Get("Location")
			if strings.HasPrefix(location, redirect+"?") {
				return url.Parse(location)
			}
			method, target, body = http.MethodGet, location, ""
			continue
		}
		action, fields, ok := readForm(a.body)
		if a.status != http.StatusOK || !ok {
			return nil, a.unexpected(method, target)
		}
		switch {
		case action == "/consent":
			fields.Set("decision", "agree")
		case who == nil:
			return nil, fmt.Errorf("the browser is not signed in any more: %s", action)
		case action == "/signin":
			fields.Set("number", who.person.number)
			fields.Set("password", who.person.password)
		case action == "/signin/code":
			fields.Set("code", who.code)
		default:
			return nil, fmt.Errorf("an unknown form, to %s", action)
		}
		method, target, body = http.MethodPost, action, fields.Encode()
	}
	return nil, fmt.Errorf("no end after %d steps", maxSteps)
}
