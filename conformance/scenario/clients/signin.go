package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Person is who sits at the browser.
type Person struct {
	Number   string
	Password string
	// OTP gives the code that the authenticator app shows.
	OTP func() string
	// Decline is true for one who does not agree to a release, or to a sign-in on
	// another device; NotMe for one who says that she did not ask for that.
	Decline bool
	NotMe   bool
	// UserCode and Symbol are what the other device shows (RFC 8628, CIBA).
	UserCode string
	Symbol   string
}

// decisions are the buttons she presses.
func (p Person) decisions() []string {
	switch {
	case p.NotMe:
		return []string{"not_me"}
	case p.Decline:
		return []string{"decline", "deny"}
	}
	return []string{"agree", "approve"}
}

// Browser is an HTTP client that keeps cookies and shows each redirect to the
// caller instead of following it.
func Browser() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// maxSteps bounds a sign-in: redirects and pages together.
const maxSteps = 30

// SignIn opens the URL that starts an authorization and goes through every form
// on the way, as the person, until the browser is sent to redirectURI. That
// request is not made: its URL is the result. The browser must be one of
// [Browser]; it stays signed in.
func SignIn(ctx context.Context, browser *http.Client, start, redirectURI string, person Person) (callback *url.URL, err error) {
	target, err := url.Parse(redirectURI)
	if err != nil {
		return nil, fmt.Errorf("reading the redirect URI: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	for range maxSteps {
		here := request.URL
		if here.Scheme == target.Scheme && here.Host == target.Host && here.Path == target.Path {
			return here, nil
		}
		answer, err := get(browser, request)
		if err != nil {
			return nil, err
		}
		if answer.location != nil {
			request, err = http.NewRequestWithContext(ctx, http.MethodGet, answer.location.String(), nil)
		} else {
			request, err = answer.fill(ctx, here, person)
		}
		if err != nil {
			return nil, fmt.Errorf("at %s: %w", here.Path, err)
		}
	}
	return nil, fmt.Errorf("no end after %d steps, the last at %s", maxSteps, request.URL.Path)
}

// answer is a redirect or a page.
type answer struct {
	status   int
	location *url.URL
	page     *html.Node
}

func get(browser *http.Client, request *http.Request) (answer, error) {
	request.Header.Set("Accept", "text/html") // apps redirect only who can read a page
	response, err := browser.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode}
	if a.location, err = response.Location(); err == nil {
		return a, nil
	}
	if a.page, err = html.Parse(io.LimitReader(response.Body, 4<<20)); err != nil {
		return answer{}, fmt.Errorf("reading the page at %s: %w", request.URL.Path, err)
	}
	return a, nil
}

// fill finds the form that a person would go on with, and fills it in. A page
// with an error status is the end: the person does not know better the second
// time.
func (a answer) fill(ctx context.Context, here *url.URL, person Person) (*http.Request, error) {
	if a.status >= 400 {
		return nil, fmt.Errorf("status %d, %q", a.status, a.title())
	}
	for form := range nodes(a.page, atom.Form) {
		fields := url.Values{}
		known := false
		for input := range nodes(form, atom.Input) {
			switch name := attribute(input, "name"); {
			case attribute(input, "type") == "hidden":
				fields.Add(name, attribute(input, "value"))
				known = known || name == "prefilled"
			case name == "user_code":
				fields.Set(name, person.UserCode)
				known = true
			case name == "symbol" && attribute(input, "value") == person.Symbol:
				fields.Set(name, person.Symbol)
			case name == "number":
				fields.Set(name, person.Number)
				known = true
			case name == "password":
				fields.Set(name, person.Password)
				known = true
			case name == "code":
				if person.OTP == nil {
					return nil, errors.New("a one-time code is asked for, and the person has none")
				}
				fields.Set(name, person.OTP())
				known = true
			case name == "item":
				fields.Add(name, attribute(input, "value"))
			}
		}
		for button := range nodes(form, atom.Button) {
			if value := attribute(button, "value"); attribute(button, "name") == "decision" && slices.Contains(person.decisions(), value) {
				fields.Set("decision", value)
				known = true
			}
		}
		if known {
			return submit(ctx, here, form, fields)
		}
	}
	return nil, fmt.Errorf("no form to go on with on %q", a.title())
}

func submit(ctx context.Context, here *url.URL, form *html.Node, fields url.Values) (*http.Request, error) {
	action, err := here.Parse(attribute(form, "action"))
	if err != nil {
		return nil, fmt.Errorf("reading the form's action: %w", err)
	}
	if !strings.EqualFold(attribute(form, "method"), http.MethodPost) {
		action.RawQuery = fields.Encode()
		return http.NewRequestWithContext(ctx, http.MethodGet, action.String(), nil)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", here.Scheme+"://"+here.Host)
	return request, nil
}

func (a answer) title() string {
	for title := range nodes(a.page, atom.Title) {
		if title.FirstChild != nil {
			return strings.TrimSpace(title.FirstChild.Data)
		}
	}
	return ""
}

// nodes yields the elements of one kind below a node, in the page's order.
func nodes(below *html.Node, kind atom.Atom) func(yield func(*html.Node) bool) {
	return func(yield func(*html.Node) bool) {
		for node := range below.Descendants() {
			if node.Type == html.ElementNode && node.DataAtom == kind && !yield(node) {
				return
			}
		}
	}
}

func attribute(node *html.Node, name string) string {
	at := slices.IndexFunc(node.Attr, func(a html.Attribute) bool { return a.Key == name })
	if at < 0 {
		return ""
	}
	return node.Attr[at].Val
}
