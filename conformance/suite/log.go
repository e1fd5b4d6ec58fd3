package suite

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Entry is one thing in a run's log: exactly one of its parts is there.
type Entry struct {
	At        time.Time
	Condition *Condition
	Exchange  *Exchange
	Note      string
}

// Exchange is a request and its response.
type Exchange struct {
	// By is who asked: "client", "browser" or "provider".
	By       string
	Method   string
	URL      string
	Header   http.Header
	Body     string
	Status   int
	Response http.Header
	Answer   string
	Error    string
	Took     time.Duration
	// Tokens are the JWTs on the way, decoded.
	Tokens []Decoded
}

// Decoded is a JWT made readable.
type Decoded struct {
	Where   string // the parameter or member it was in, if that is known
	Header  string
	Payload string
}

// maxBody bounds what is read of a body.
const maxBody = 1 << 20

// recorder is a transport that writes every exchange down.
type recorder struct {
	checks *Checks
	by     string
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper. The answer is read here, whole.
func (t recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	e := Exchange{By: t.by, Method: request.Method, URL: request.URL.String(), Header: request.Header.Clone()}
	if request.Body != nil {
		raw, err := io.ReadAll(io.LimitReader(request.Body, maxBody))
		request.Body.Close()
		if err != nil {
			return nil, err
		}
		e.Body = string(raw)
		request = request.Clone(request.Context())
		request.Body = io.NopCloser(bytes.NewReader(raw))
	}
	began := time.Now()
	response, err := t.next.RoundTrip(request)
	if err == nil {
		var raw []byte
		raw, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
		response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(raw))
		e.Status, e.Response, e.Answer = response.StatusCode, response.Header, string(raw)
	}
	e.Took = time.Since(began)
	if err != nil {
		e.Error = err.Error()
	}
	t.checks.Record(e)
	if err == nil {
		t.checks.checkErrors(e)
	}
	return response, err
}

var tokenPattern = regexp.MustCompile(`(?:"?([A-Za-z_]+)"?\s*[:=]\s*"?)?(eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*)`)

// decode finds the JWTs of an exchange.
func (e *Exchange) decode() {
	var seen []string
	texts := []string{e.URL, e.Body, e.Answer, e.Response.Get("Location"), e.Header.Get("Authorization"), e.Header.Get("DPoP")}
	for _, text := range texts {
		if unescaped, err := url.QueryUnescape(text); err == nil && strings.Contains(text, "%") {
			text = unescaped
		}
		for _, m := range tokenPattern.FindAllStringSubmatch(text, 20) {
			if slices.Contains(seen, m[2]) {
				continue
			}
			seen = append(seen, m[2])
			parts := strings.Split(m[2], ".")
			header, ok := indented(parts[0])
			payload, also := indented(parts[1])
			if ok && also {
				e.Tokens = append(e.Tokens, Decoded{Where: m[1], Header: header, Payload: payload})
			}
		}
	}
}

func indented(part string) (string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return "", false
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return "", false
	}
	return b.String(), true
}

// Answer is a response that was read.
type Answer struct {
	Status int
	Header http.Header
	Raw    string
	// JSON is the body where it is a JSON object, nil otherwise.
	JSON Claims
}

// ErrorCode is the error code of an OAuth error response.
func (a Answer) ErrorCode() string { return a.JSON.Text("error") }

// String tells it in short, for conditions.
func (a Answer) String() string {
	return fmt.Sprintf("status %d, %s", a.Status, shown(a.Raw))
}

// MediaType is the content type without parameters.
func (a Answer) MediaType() string {
	media, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// Claims are a JSON object.
type Claims map[string]any

// Text is a member that is a string, or empty.
func (c Claims) Text(name string) string { s, _ := c[name].(string); return s }

// Number is a member that is a number.
func (c Claims) Number(name string) (float64, bool) { n, ok := c[name].(float64); return n, ok }

// True reports whether a member is true.
func (c Claims) True(name string) bool { b, _ := c[name].(bool); return b }

// List is a member that is an array of strings; ok reports whether it is one.
func (c Claims) List(name string) (list []string, ok bool) {
	raw, ok := c[name].([]any)
	if !ok {
		return nil, false
	}
	for _, v := range raw {
		s, isText := v.(string)
		if !isText {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// Lists reports whether a member is an array that holds a value.
func (c Claims) Lists(name, value string) bool {
	list, _ := c.List(name)
	return slices.Contains(list, value)
}

// Clone is a copy that may be changed at the top.
func (c Claims) Clone() Claims {
	d := Claims{}
	for k, v := range c {
		d[k] = v
	}
	return d
}

// Caller makes requests and writes them down.
type Caller struct {
	Checks

	ctx       context.Context
	transport http.RoundTripper
}

// Context ends with the run.
func (c *Caller) Context() context.Context { return c.ctx }

// Do makes a request as the client and reads the answer; a network error ends the
// module.
func (c *Caller) Do(request *http.Request, as *Client) Answer {
	transport := c.transport
	if as != nil && as.transport != nil {
		transport = as.transport
	}
	response, err := recorder{&c.Checks, "client", transport}.RoundTrip(request.WithContext(c.ctx))
	c.works(err, request.Method+" "+request.URL.Redacted())
	raw, _ := io.ReadAll(response.Body)
	a := Answer{Status: response.StatusCode, Header: response.Header, Raw: string(raw)}
	if json.Unmarshal(raw, &a.JSON) != nil {
		a.JSON = nil
	}
	return a
}

// Get fetches a URL.
func (c *Caller) Get(address string) Answer {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	c.works(err, "GET "+address)
	return c.Do(request, nil)
}
