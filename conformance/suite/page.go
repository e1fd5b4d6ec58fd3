package suite

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Page is an HTML page that the browser has come to.
type Page struct {
	URL    *url.URL
	Status int
	Title  string
	Text   string // what a person reads, in one line
	Forms  []*Form
	Links  []string // absolute addresses
	Frames []string
	Images []string
	// Refresh is where the page goes on to by itself.
	Refresh string
	html    string
}

// Form is one of its forms.
type Form struct {
	Action *url.URL
	Method string
	ID     string
	Fields []Field
}

// Field is an input, a text area, a selection or a button with a name.
type Field struct {
	Name, Type, Value string
	Checked           bool
}

// Has reports whether the form has a field.
func (f *Form) Has(name string) bool {
	return slices.ContainsFunc(f.Fields, func(field Field) bool { return field.Name == name && field.Type != "submit" })
}

// Button reports whether the form has a button with a name, and a value if one is
// given: "decision" or "decision=agree".
func (f *Form) Button(which string) bool {
	name, value, valued := strings.Cut(which, "=")
	return slices.ContainsFunc(f.Fields, func(field Field) bool {
		return field.Type == "submit" && field.Name == name && (!valued || field.Value == value)
	})
}

// hiddenOnly reports whether nothing in the form waits for a person.
func (f *Form) hiddenOnly() bool {
	return len(f.Fields) > 0 &&
		!slices.ContainsFunc(f.Fields, func(field Field) bool { return field.Type != "hidden" && field.Type != "submit" })
}

// String names the page for conditions.
func (p *Page) String() string {
	return fmt.Sprintf("status %d, page %q at %s: %s", p.Status, p.Title, p.URL.Path, Cut(p.Text, 200))
}

// ReadPage reads an HTML page that came from an address.
func ReadPage(at *url.URL, status int, text string) (*Page, error) {
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading the page at %s: %w", at.Path, err)
	}
	p := &Page{URL: at, Status: status, html: text}
	var words []string
	absolute := func(ref string) (*url.URL, string) {
		u, err := at.Parse(strings.TrimSpace(ref))
		if err != nil {
			return at, ""
		}
		return u, u.String()
	}
	var loose []loosely
	for node := range root.Descendants() {
		if node.Type == html.TextNode && !within(node, atom.Script, atom.Style, atom.Noscript, atom.Title, atom.Template, atom.Textarea) {
			words = append(words, strings.Fields(node.Data)...)
		}
		if node.Type != html.ElementNode {
			continue
		}
		switch node.DataAtom {
		case atom.Title:
			if node.FirstChild != nil && p.Title == "" {
				p.Title = strings.TrimSpace(node.FirstChild.Data)
			}
		case atom.Form:
			action, _ := absolute(attribute(node, "action"))
			p.Forms = append(p.Forms, &Form{Action: action, Method: strings.ToUpper(attribute(node, "method")), ID: attribute(node, "id")})
			loose = append(loose, loosely{form: node, at: p.Forms[len(p.Forms)-1]})
		case atom.Input, atom.Button, atom.Textarea, atom.Select:
			loose = append(loose, loosely{field: node})
		case atom.A:
			if _, link := absolute(attribute(node, "href")); link != "" {
				p.Links = append(p.Links, link)
			}
		case atom.Meta:
			if _, to, ok := strings.Cut(attribute(node, "content"), "="); ok &&
				strings.EqualFold(attribute(node, "http-equiv"), "refresh") {
				_, p.Refresh = absolute(strings.Trim(to, `'"`))
			}
		case atom.Iframe:
			if _, link := absolute(attribute(node, "src")); link != "" && attribute(node, "src") != "" {
				p.Frames = append(p.Frames, link)
			}
		case atom.Img:
			if _, link := absolute(attribute(node, "src")); link != "" {
				p.Images = append(p.Images, link)
			}
		}
	}
	p.place(loose)
	p.Text = strings.Join(words, " ")
	return p, nil
}

// loosely is a form, or a field that still has to find its form.
type loosely struct {
	form  *html.Node
	at    *Form
	field *html.Node
}

// place puts fields into their forms: the one around them, or the one they name.
func (p *Page) place(loose []loosely) {
	for _, l := range loose {
		if l.field == nil {
			continue
		}
		named := attribute(l.field, "form")
		for _, f := range loose {
			if f.form != nil && (named != "" && f.at.ID == named || named == "" && below(l.field, f.form)) {
				f.at.Fields = append(f.at.Fields, fieldOf(l.field))
			}
		}
	}
}

func fieldOf(node *html.Node) Field {
	f := Field{
		Name: attribute(node, "name"), Type: strings.ToLower(attribute(node, "type")), Value: attribute(node, "value"),
		Checked: has(node, "checked"),
	}
	switch node.DataAtom {
	case atom.Button:
		if f.Type == "" {
			f.Type = "submit"
		}
	case atom.Textarea:
		f.Type = "textarea"
		if node.FirstChild != nil {
			f.Value = node.FirstChild.Data
		}
	case atom.Select:
		f.Type = "select"
		for option := range node.Descendants() {
			if option.Type == html.ElementNode && option.DataAtom == atom.Option && (f.Value == "" || has(option, "selected")) {
				f.Value = attribute(option, "value")
			}
		}
	case atom.Input:
		if f.Type == "image" {
			f.Type = "submit"
		}
		if (f.Type == "checkbox" || f.Type == "radio") && !has(node, "value") {
			f.Value = "on"
		}
	}
	return f
}

func below(node, ancestor *html.Node) bool {
	for n := node.Parent; n != nil; n = n.Parent {
		if n == ancestor {
			return true
		}
	}
	return false
}

func within(node *html.Node, kinds ...atom.Atom) bool {
	for n := node.Parent; n != nil; n = n.Parent {
		if slices.Contains(kinds, n.DataAtom) {
			return true
		}
	}
	return false
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(node *html.Node, name string) bool {
	return slices.ContainsFunc(node.Attr, func(a html.Attribute) bool { return a.Key == name })
}
