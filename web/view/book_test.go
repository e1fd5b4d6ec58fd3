package view_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"hopnhat/web/view"
)

var update = flag.Bool("update", false, "write the golden files")

var unsafeName = regexp.MustCompile(`[^a-z0-9]+`)

// digest is the part of a file's address that changes with its content; the
// golden files are about pages, not about the style sheet.
var digest = regexp.MustCompile(`(/static/[a-z0-9/-]+)\.[0-9a-f]{12}\.`)

func golden(s view.Sample) string {
	name := strings.Trim(unsafeName.ReplaceAllString(strings.ToLower(s.Name), "-"), "-")
	return filepath.Join("testdata", "book", name+"."+string(s.Lang)+".html")
}

func render(t *testing.T, s view.Sample) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := view.Render(&b, s.Shell(), s.Page); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBook(t *testing.T) {
	seen := map[string]string{}
	for _, s := range view.Book() {
		t.Run(s.Name+" "+string(s.Lang), func(t *testing.T) {
			file := golden(s)
			if other, twice := seen[file]; twice {
				t.Fatalf("%q and %q have the same file", s.Name, other)
			}
			seen[file] = s.Name
			got := render(t, s)
			check(t, s.Lang, got)
			got = digest.ReplaceAll(got, []byte("$1."))
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs from the page; look at it, then run with -update", file)
			}
		})
	}
	files, err := filepath.Glob("testdata/book/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := seen[f]; !ok {
			t.Errorf("%s belongs to no page of the book", f)
		}
	}
}

// check is what must hold of every page, whatever it says.
func check(t *testing.T, lang view.Lang, page []byte) {
	t.Helper()
	balanced(t, page)
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatalf("parsing the page: %v", err)
	}
	ids, labels, refs := map[string]int{}, map[string]bool{}, []string{}
	var controls []*html.Node
	count := map[string]int{}
	var walk func(n *html.Node, form *html.Node)
	walk = func(n *html.Node, form *html.Node) {
		if n.Type == html.ElementNode {
			count[n.Data]++
			if id := attr(n, "id"); id != "" {
				ids[id]++
			}
			for _, name := range []string{"aria-labelledby", "aria-describedby", "data-copy", "data-reveal"} {
				refs = append(refs, strings.Fields(attr(n, name))...)
			}
			for _, a := range n.Attr {
				// A strict CSP would silently drop it: default-src 'none'.
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s> has the inline attribute %s", n.Data, a.Key)
				}
				if strings.Contains(a.Val, "ZgotmplZ") {
					t.Errorf("<%s %s> was refused by the template engine", n.Data, a.Key)
				}
			}
			switch n.Data {
			case "style":
				t.Error("inline style sheet")
			case "script":
				if attr(n, "src") == "" || n.FirstChild != nil {
					t.Error("inline script")
				}
			case "html":
				if got := attr(n, "lang"); got != string(lang) {
					t.Errorf("lang = %q, want %q", got, lang)
				}
			case "a":
				if target, ok := strings.CutPrefix(attr(n, "href"), "#"); ok {
					refs = append(refs, target)
				} else if attr(n, "href") == "" {
					t.Errorf("link without an address: %q", text(n))
				}
				if text(n) == "" {
					t.Error("link without a name")
				}
			case "button":
				if text(n) == "" && attr(n, "aria-label") == "" {
					t.Error("button without a name")
				}
				if attr(n, "type") == "" {
					t.Errorf("button %q without a type", text(n))
				}
			case "label":
				if f := attr(n, "for"); f != "" {
					labels[f] = true
				}
			case "form":
				form = n
				if attr(n, "action") == "" {
					t.Error("form without an action")
				}
				if attr(n, "method") == "post" && strings.HasPrefix(attr(n, "action"), "/") && !has(n, "csrf") {
					t.Errorf("form to %s without csrf", attr(n, "action"))
				}
				if !strings.HasPrefix(attr(n, "action"), "/") && has(n, "csrf") {
					t.Errorf("form to %s gives away the csrf token", attr(n, "action"))
				}
			case "input", "select", "textarea":
				controls = append(controls, n)
				if form == nil {
					t.Errorf("%s outside a form", attr(n, "name"))
				}
				if attr(n, "name") == "" {
					t.Error("control without a name")
				}
			case "h1", "h2", "h3", "th", "dt", "dd", "legend", "title", "option":
				if text(n) == "" {
					t.Errorf("empty <%s>", n.Data)
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, form)
		}
	}
	walk(doc, nil)
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q stands %d times", id, n)
		}
	}
	for _, r := range refs {
		if ids[r] == 0 {
			t.Errorf("something points to %q, which is not there", r)
		}
	}
	for _, c := range controls {
		if attr(c, "type") == "hidden" || labels[attr(c, "id")] || within(c, "label") {
			continue
		}
		t.Errorf("control %q has no label", attr(c, "name"))
	}
	for _, tag := range []string{"h1", "main", "title", "header"} {
		if count[tag] != 1 {
			t.Errorf("%d <%s>, want 1", count[tag], tag)
		}
	}
	if s := text(doc); strings.Contains(s, "{0}") || strings.Contains(s, "{1}") || strings.Contains(s, "%!") {
		t.Error("a value is missing from a text")
	}
}

// balanced fails for a tag that is not closed, or closed twice; html.Parse
// would mend it in silence.
func balanced(t *testing.T, page []byte) {
	t.Helper()
	void := map[string]bool{"meta": true, "link": true, "input": true, "img": true, "source": true, "br": true, "path": false}
	var open []string
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !void[string(name)] {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.TrimSpace(b.String())
}

func has(n *html.Node, name string) bool {
	if n.Type == html.ElementNode && n.Data == "input" && attr(n, "name") == name {
		return true
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if has(c, name) {
			return true
		}
	}
	return false
}

func within(n *html.Node, tag string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Type == html.ElementNode && p.Data == tag {
			return true
		}
	}
	return false
}
