package suite

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
)

// Step says what a person does on a page. A step fits a form when all that it names
// is there; the first that fits is done.
type Step struct {
	// Name says what the person does: "sign in".
	Name string `yaml:"name"`
	// URL is a part of the page's path; Field a field of the form; Button one of its
	// buttons, "name" or "name=value".
	URL    string `yaml:"url"`
	Field  string `yaml:"field"`
	Button string `yaml:"button"`
	// Fill gives fields values; {name} stands for the person's, {code} for the next
	// one-time code.
	Fill map[string]string `yaml:"fill"`
	// Tick names boxes that are ticked, all of that name; "*" is every box.
	Tick []string `yaml:"tick"`
	// Submit is the button pressed, "name" or "name=value"; Decline the one of a
	// person who does not agree, or "link:" and a part of a link's address.
	Submit  string `yaml:"submit"`
	Decline string `yaml:"decline"`
	// Login marks a step in which the person proves who they are.
	Login bool `yaml:"login"`
}

func (s Step) check() error {
	if s.URL == "" && s.Field == "" && s.Button == "" {
		return fmt.Errorf("%q names no url, field or button, so it would fit every form", s.Name)
	}
	return nil
}

func (s Step) fits(p *Page, f *Form) bool {
	return strings.Contains(p.URL.Path, s.URL) && (s.Field == "" || f.Has(s.Field)) && (s.Button == "" || f.Button(s.Button))
}

// Browser is a browser of the run's person: it keeps cookies, follows redirects and
// fills in forms until it is sent to the suite or nothing fits any more.
type Browser struct {
	// Declines makes the person not agree.
	Declines bool

	run    *Run
	client *http.Client
	jar    http.CookieJar
}

// Browser is a fresh one.
func (r *Run) Browser() *Browser {
	jar, err := cookiejar.New(nil)
	r.works(err, "making a browser")
	b := &Browser{run: r, jar: jar}
	b.client = &http.Client{
		Jar: jar, Transport: recorder{&r.Checks, "browser", r.suite.transport}, Timeout: r.suite.Config.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

// Landing is where a browser has come to: back at the suite, or at a page that no
// step fits.
type Landing struct {
	Callback *Callback
	Page     *Page
	// Done are the steps done on the way; Logins how many of them prove who it is.
	Done   []string
	Logins int
	// Redirects are the status codes of the redirects followed.
	Redirects []int
	// Seen are the pages on the way, the last included.
	Seen []*Page
}

// String tells it for conditions.
func (l Landing) String() string {
	if l.Callback != nil {
		return l.Callback.String()
	}
	if l.Page != nil {
		return l.Page.String()
	}
	return "nowhere"
}

// Callback is what came back to the suite.
type Callback struct {
	// URL is where to, with its query, without a fragment.
	URL *url.URL
	// Mode is how: query, fragment or form_post.
	Mode string
	// Values are the parameters of that mode; Query those in the query in any case.
	Values url.Values
	Query  url.Values
}

// String tells it for conditions.
func (c Callback) String() string {
	return fmt.Sprintf("%s response at %s: %s", c.Mode, c.URL.Path, c.Values.Encode())
}

const (
	maxSteps   = 40
	maxRepeats = 3
)

// Visit opens an address.
func (b *Browser) Visit(address string) Landing {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	b.run.works(err, "opening "+address)
	return b.Open(request)
}

// Open makes a request and goes on from there.
func (b *Browser) Open(request *http.Request) Landing {
	var l Landing
	repeats := map[string]int{}
	for range maxSteps {
		if c := b.callbackOf(request.URL); c != nil {
			l.Callback = c
			return l
		}
		request.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		request.Header.Set("User-Agent", "Mozilla/5.0 (conformance suite)")
		response, err := b.client.Do(request.WithContext(b.run.ctx))
		b.run.works(err, "the browser's "+request.Method+" "+request.URL.Redacted())
		a := readAnswer(response)
		if location, err := response.Location(); err == nil && a.Status >= 300 && a.Status < 400 {
			l.Redirects = append(l.Redirects, a.Status)
			request, err = b.follow(request, location, a.Status)
			b.run.works(err, "following a redirect")
			continue
		}
		page, err := ReadPage(request.URL, a.Status, a.Raw)
		b.run.works(err, "reading a page")
		l.Page, l.Seen = page, append(l.Seen, page)
		next := b.next(&l, repeats)
		if next == nil {
			return l
		}
		request = next
		if l.Callback != nil {
			l.Page = nil
			return l
		}
	}
	b.run.condition(Fail, "", "the browser comes to an end", fmt.Sprintf("%d steps, the last at %s", maxSteps, request.URL.Path))
	panic(stopped{})
}

// follow keeps the method only where HTTP says so (RFC 9110 §15.4.8).
func (b *Browser) follow(from *http.Request, location *url.URL, status int) (*http.Request, error) {
	if location.Fragment == "" && from.URL.Fragment != "" {
		location.Fragment = from.URL.Fragment // RFC 9110 §10.2.2
	}
	if status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect {
		if from.GetBody != nil {
			body, err := from.GetBody()
			if err != nil {
				return nil, err
			}
			next, err := http.NewRequest(from.Method, location.String(), body)
			if err == nil {
				next.Header.Set("Content-Type", from.Header.Get("Content-Type"))
			}
			return next, err
		}
	}
	return http.NewRequest(http.MethodGet, location.String(), nil)
}

// next is the request that a person, or a page that goes on by itself, makes from
// here; nil is the end.
func (b *Browser) next(l *Landing, repeats map[string]int) *http.Request {
	page := l.Page
	for _, form := range page.Forms {
		if c := b.postedTo(form); c != nil {
			l.Callback = c
			return &http.Request{URL: form.Action}
		}
	}
	for i, s := range b.run.suite.Config.Steps {
		for _, form := range page.Forms {
			if !s.fits(page, form) {
				continue
			}
			key := fmt.Sprint(i, page.URL.Path)
			if repeats[key]++; repeats[key] > maxRepeats {
				return nil
			}
			l.Done = append(l.Done, s.Name)
			if s.Login {
				l.Logins++
			}
			return b.fillIn(page, form, s)
		}
	}
	if page.Refresh != "" && page.Status < 400 {
		request, err := http.NewRequest(http.MethodGet, page.Refresh, nil)
		b.run.works(err, "going on from a page")
		return request
	}
	// Without anything for a person to do, and with a script that sends it.
	for _, form := range page.Forms {
		if form.hiddenOnly() && strings.Contains(page.html, "submit()") && page.Status < 400 {
			return b.submit(page, form, form.values(nil, ""))
		}
	}
	return nil
}

func (b *Browser) fillIn(page *Page, form *Form, s Step) *http.Request {
	press := s.Submit
	if b.Declines && s.Decline != "" {
		if part, ok := strings.CutPrefix(s.Decline, "link:"); ok {
			for _, link := range page.Links {
				if strings.Contains(link, part) {
					request, err := http.NewRequest(http.MethodGet, link, nil)
					b.run.works(err, "following a link")
					return request
				}
			}
			b.run.works(fmt.Errorf("no link with %q at %s", part, page.URL.Path), "declining")
		}
		press = s.Decline
	}
	values := form.values(s.Tick, press)
	for name, value := range s.Fill {
		if form.Has(name) {
			values.Set(name, b.run.Fill(value))
		}
	}
	return b.submit(page, form, values)
}

// values are what a browser would send, with boxes ticked and a button pressed.
func (f *Form) values(tick []string, press string) url.Values {
	values := url.Values{}
	name, value, _ := strings.Cut(press, "=")
	for _, field := range f.Fields {
		switch field.Type {
		case "submit", "button", "reset":
		case "checkbox", "radio":
			if field.Checked || slices.Contains(tick, field.Name) || slices.Contains(tick, "*") {
				values.Add(field.Name, field.Value)
			}
		default:
			if field.Name != "" {
				values.Add(field.Name, field.Value)
			}
		}
	}
	if name != "" {
		values.Set(name, value)
	}
	return values
}

func (b *Browser) submit(page *Page, form *Form, values url.Values) *http.Request {
	if form.Method != http.MethodPost {
		to := *form.Action
		to.RawQuery = values.Encode()
		request, err := http.NewRequest(http.MethodGet, to.String(), nil)
		b.run.works(err, "sending a form")
		return request
	}
	request, err := http.NewRequest(http.MethodPost, form.Action.String(), strings.NewReader(values.Encode()))
	b.run.works(err, "sending a form")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", page.URL.Scheme+"://"+page.URL.Host)
	request.Header.Set("Referer", page.URL.String())
	return request
}

// Load fetches what a page shows by itself, a frame for instance, with the
// browser's cookies, and goes no further.
func (b *Browser) Load(address string) Answer {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	b.run.works(err, "loading "+address)
	response, err := b.client.Do(request.WithContext(b.run.ctx))
	b.run.works(err, "loading "+address)
	return readAnswer(response)
}

// Cookies are those the browser would send to an address.
func (b *Browser) Cookies(address string) []*http.Cookie {
	u, err := url.Parse(address)
	b.run.works(err, "reading "+address)
	return b.jar.Cookies(u)
}

// callbackOf is the callback that a redirect to the suite carries, nil if it goes
// elsewhere.
func (b *Browser) callbackOf(u *url.URL) *Callback {
	if !b.run.suite.ours(u) {
		return nil
	}
	at := *u
	at.Fragment, at.RawFragment = "", ""
	c := &Callback{URL: &at, Mode: "query", Query: u.Query(), Values: u.Query()}
	if u.Fragment != "" {
		c.Mode = "fragment"
		if values, err := url.ParseQuery(u.EscapedFragment()); err == nil {
			c.Values = values
		}
	}
	b.run.CheckError(c.Values)
	return c
}

// postedTo is the callback that a self-submitting form to the suite carries
// (Form Post Response Mode §2).
func (b *Browser) postedTo(f *Form) *Callback {
	if f.Method != http.MethodPost || !b.run.suite.ours(f.Action) {
		return nil
	}
	c := &Callback{URL: f.Action, Mode: "form_post", Query: f.Action.Query(), Values: f.values(nil, "")}
	b.run.CheckError(c.Values)
	return c
}
