package view

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"

	"hopnhat/web/static"
	"hopnhat/web/view/plain"
)

// Lang is a language of the pages.
type Lang string

// The languages; Vietnamese is the default.
const (
	Vietnamese Lang = "vi"
	English    Lang = "en"
)

// Key is the language's name in the catalogue.
func (l Lang) Key() string { return "lang." + string(l) }

// Langs lists the languages, the default first.
func Langs() []Lang { return []Lang{Vietnamese, English} }

// ParseLang reads a language tag as in a cookie or the parameter lang; ok is
// false for a language we do not speak.
func ParseLang(tag string) (lang Lang, ok bool) {
	switch Lang(strings.ToLower(tag)) {
	case Vietnamese:
		return Vietnamese, true
	case English:
		return English, true
	default:
		return Vietnamese, false
	}
}

// Page is one of the page structs of this package.
type Page interface{ page() string }

// Shell is what surrounds a page.
type Shell struct {
	// Lang is the reader's language; empty is Vietnamese.
	Lang Lang
	// CSRF is the token that every form carries in the field csrf.
	CSRF string
	// Path is path and query of an address that shows this page by GET; the
	// language links point there with the parameter lang added.
	Path string
	// SignedInAs is the name of the person signed in, empty if nobody is.
	SignedInAs string
	// SignOut is where the header's sign-out button posts; empty shows none.
	SignOut string
	// Nav are the sections beside each other, as [PortalNav] and [ConsoleNav]
	// make them; empty in the flow of a sign-in.
	Nav []NavLink
	// Demo shows the strip saying that all persons and records are invented.
	Demo bool
	// Banner says that incidents are open; nil shows none.
	Banner *Banner
}

// NavLink is one section in the header.
type NavLink struct {
	Section Section
	URL     string
	Current bool
}

// Section is a part of the portal or of the console.
type Section string

// The sections.
const (
	SectionTimeline Section = "timeline"
	SectionConsents Section = "consents"
	SectionRequests Section = "requests"
	SectionSessions Section = "sessions"
	SectionSearch   Section = "search"
	SectionExports  Section = "exports"
	SectionApps     Section = "apps"
	SectionLogouts  Section = "logouts"
	// SectionIncidents is in both consoles.
	SectionIncidents Section = "incidents"
	// SectionFederation is in the operators' console.
	SectionFederation Section = "federation"
)

// Key is the section's text in the catalogue.
func (s Section) Key() string { return "nav." + string(s) }

// PortalNav is the citizen portal's navigation below base, for example /portal.
func PortalNav(base string, current Section) []NavLink {
	return []NavLink{
		{SectionTimeline, base, current == SectionTimeline},
		{SectionConsents, base + "/consents", current == SectionConsents},
		{SectionRequests, base + "/requests", current == SectionRequests},
		{SectionSessions, base + "/sessions", current == SectionSessions},
	}
}

// ConsoleNav is the auditor console's navigation below base, for example
// /console.
func ConsoleNav(base string, current Section) []NavLink {
	return []NavLink{
		{SectionSearch, base, current == SectionSearch},
		{SectionExports, base + "/exports", current == SectionExports},
		{SectionIncidents, base + "/incidents", current == SectionIncidents},
	}
}

// OperatorNav is the navigation of an operator's console below base.
func OperatorNav(base string, current Section) []NavLink {
	return []NavLink{
		{SectionApps, base + "/apps", current == SectionApps},
		{SectionLogouts, base + "/logouts", current == SectionLogouts},
		{SectionFederation, base + "/federation", current == SectionFederation},
		{SectionIncidents, base + "/incidents", current == SectionIncidents},
	}
}

// screen is what a template sees.
type screen struct {
	Shell Shell
	Page  Page
	Langs []langLink
}

type langLink struct {
	Lang    Lang
	Name    string
	URL     string
	Current bool
}

//go:embed templates/*.html
var sources embed.FS

// parsed holds the templates of each language, by page name. They are parsed at
// start: a template that names an unknown text or file stops the program.
var parsed = func() map[Lang]map[string]*template.Template {
	sets := map[Lang]map[string]*template.Template{}
	for _, lang := range Langs() {
		set, err := parse(lang)
		if err != nil {
			panic("view: " + err.Error())
		}
		sets[lang] = set
	}
	return sets
}()

// frame are the files every page is parsed with.
var frame = []string{"templates/layout.html", "templates/parts.html"}

func parse(lang Lang) (map[string]*template.Template, error) {
	words := catalogue[lang]
	base := template.New("pages").Option("missingkey=error").Funcs(template.FuncMap{
		"t":     func(key string, values ...any) (string, error) { return words.text(lang, key, values...) },
		"say":   func(text any) (plain.Text, error) { return plain.Say(lang == English, text) },
		"asset": static.Path,
		"at":    plain.At,
		"day":   plain.Day,
		"clock": plain.Clock,
		"iso":   plain.ISO,
	})
	for _, file := range frame {
		if err := add(base, words, file); err != nil {
			return nil, fmt.Errorf("parsing the frame of all pages: %w", err)
		}
	}
	set := map[string]*template.Template{}
	for _, p := range pages() {
		own, err := base.Clone()
		if err != nil {
			return nil, fmt.Errorf("cloning the frame for page %s: %w", p.page(), err)
		}
		if err := add(own, words, "templates/"+p.page()+".html"); err != nil {
			return nil, fmt.Errorf("parsing page %s: %w", p.page(), err)
		}
		set[p.page()] = own.Lookup("layout.html")
	}
	return set, nil
}

// add parses a file into a set, with its constants in place.
func add(set *template.Template, words messages, file string) error {
	source, err := sources.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := constant(words, string(source))
	if err == nil {
		_, err = set.New(path.Base(file)).Parse(text)
	}
	return err
}

// constants are the actions of a template that are the same on every page of a language: a
// text without values, and the address of a file.
var constants = regexp.MustCompile(`\{\{(t|asset) "([^"]+)"\}\}`)

// constant puts the constants of a template in their places, escaped as html/template
// escapes a text and the value of an attribute in quotes, where alone they stand: most of
// what a page says need not be looked up and escaped each time it is shown.
func constant(words messages, source string) (string, error) {
	var failed error
	text := constants.ReplaceAllStringFunc(source, func(action string) string {
		part := constants.FindStringSubmatch(action)
		value, ok := words[part[2]]
		if part[1] == "asset" {
			value, ok = static.Path(part[2]), true
		}
		if !ok {
			failed = fmt.Errorf("no text %q", part[2])
		}
		return strings.ReplaceAll(template.HTMLEscapeString(value), "+", "&#43;")
	})
	return text, failed
}

// pages lists one of each kind.
func pages() []Page {
	return []Page{
		Home{},
		SignIn{},
		UpstreamProblem{},
		UpstreamConfirm{},
		Upstreams{},
		OneTimeCode{},
		Consent{},
		FormPost{},
		Error{},
		Timeline{},
		ReleaseDetail{},
		Consents{},
		ConsentDetail{},
		WithdrawConfirm{},
		Sessions{},
		Search{},
		Subordinates{},
		SubordinateDetail{},
		Propose{},
		TrustExplained{},
		Weather{},
		Apps{},
		EventDetail{},
		Export{},
		LogoutConfirm{},
		LoggedOut{},
		Logouts{},
		Incidents{},
		IncidentDetail{},
		Device{},
		Approve{},
		Approved{},
		Provinces{},
		Passkeys{},
		Requests{},
	}
}

// buffers are those of pages that were rendered; one that grew beyond keptBuffer bytes is
// not kept.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keptBuffer = 64 << 10

// Render writes a page. It renders into a buffer first: on error nothing has
// been written, and the caller can still show another page.
func Render(w io.Writer, shell Shell, page Page) error {
	if shell.Lang == "" {
		shell.Lang = Vietnamese
	}
	t, ok := parsed[shell.Lang][page.page()]
	if !ok {
		return fmt.Errorf("rendering page %s: no template in language %q", page.page(), shell.Lang)
	}
	b, _ := buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= keptBuffer {
			buffers.Put(b)
		}
	}()
	b.Reset()
	if err := t.Execute(b, screen{Shell: shell, Page: page, Langs: langLinks(shell)}); err != nil {
		return fmt.Errorf("rendering page %s: %w", page.page(), err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("writing page %s: %w", page.page(), err)
	}
	return nil
}

// langLinks point at the same page in each language.
func langLinks(shell Shell) []langLink {
	names := map[Lang]string{Vietnamese: "Tiếng Việt", English: "English"}
	var links []langLink
	for _, lang := range Langs() {
		links = append(links, langLink{lang, names[lang], withLang(shell.Path, lang), lang == shell.Lang})
	}
	return links
}

// withLang adds the parameter lang to a path of ours. Anything that could lead
// to another host becomes the start page.
func withLang(path string, lang Lang) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.Contains(u.Path, `\`) {
		u = &url.URL{Path: "/"}
	}
	q := u.Query()
	q.Set("lang", string(lang))
	return (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String()
}
