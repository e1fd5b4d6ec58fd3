package sampleapp

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

//go:embed style.css
var styleSource []byte

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleSource)
}

// notice is what just happened.
type notice struct {
	Declined, SignedOut bool
	Text                string
}

type line struct{ Name, Value string }

type block struct {
	Purpose, Registry string
	Index             uint64
	Records           [][]line
	Problem           *problem
}

type screen struct {
	VI                 bool
	Lang, Other        string
	Name, Owner, About string
	Colour             string
	Notice             *notice
	Who                *visitor
	Ended              bool
	Subject, ACR       string
	Person             string
	Withdrawn          string
	Blocks             []block
	ClientID           string
}

// plainDay writes a date as people here do.
func plainDay(date string) string {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return day.Format("02/01/2006")
}

func (a *App) show(w http.ResponseWriter, r *http.Request, status int, n *notice) {
	lang := language(r)
	i, other := 0, "en"
	if lang == "en" {
		i, other = 1, "vi"
	}
	if r.URL.Query().Get("lang") != "" {
		http.SetCookie(
			w, &http.Cookie{Name: "hn_lang", Value: lang, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 31536000},
		)
	}
	s := screen{
		VI: i == 0, Lang: lang, Other: other, Name: a.c.Name[i], Owner: a.c.Owner[i], About: a.c.About[i], Colour: a.c.Colour, Notice: n,
		ClientID: a.c.ClientID,
	}
	if who := a.visitor(r); who != nil {
		a.mu.Lock()
		s.Who, s.Ended, s.Subject, s.ACR, s.Person, s.Withdrawn = who, who.endedByProvider, who.subject, who.acr, who.name, plainDay(
			who.withdrawn,
		)
		for _, got := range who.answers {
			s.Blocks = append(s.Blocks, a.block(got, i))
		}
		a.mu.Unlock()
	}
	var b bytes.Buffer
	if err := page.Execute(&b, s); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// label is a name on the page, or the id where there is none.
func (a *App) label(id string, lang int) string {
	if names, ok := a.c.Labels[id]; ok {
		return names[lang]
	}
	return id
}

func (a *App) block(got answer, lang int) block {
	b := block{Purpose: a.label(got.Purpose, lang), Registry: a.label(got.Registry, lang), Index: got.Index, Problem: got.Problem}
	for _, record := range got.Records {
		var lines []line
		for name, value := range record {
			lines = append(lines, line{a.label(name, lang), readable(value)})
		}
		sort.Slice(lines, func(i, j int) bool { return lines[i].Name < lines[j].Name })
		b.Records = append(b.Records, lines)
	}
	return b
}

// readable shows a value as a person reads it.
func readable(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	return words(v)
}

func words(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case string:
		return v
	case bool:
		if v {
			return "✓"
		}
		return "✗"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = words(v[i])
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		sort.Strings(names)
		parts := make([]string, len(names))
		for i, name := range names {
			parts[i] = words(v[name])
		}
		return strings.Join(parts, " · ")
	default:
		return fmt.Sprint(v)
	}
}
