package view

import (
	"bytes"
	"html/template"
	"io/fs"
	"strings"
	"testing"
)

// TestConstantsAreEscapedAsEver: a constant in its place is what html/template makes of
// it there, whatever signs the text has, in an element and in an attribute.
func TestConstantsAreEscapedAsEver(t *testing.T) {
	words := messages{"all": "Ă & < > \" ' + ` = / \\ {0} \u00a0 &amp;", "plain": "Đăng nhập"}
	say := template.FuncMap{"t": func(key string) string { return words[key] }}
	for _, place := range []string{
		`<p>{{t "all"}}</p>`,
		`<b aria-label="{{t "all"}}" data-show="{{t "plain"}}">{{t "plain"}}</b>`,
	} {
		text, err := constant(words, place)
		if err != nil || strings.Contains(text, "{{") {
			t.Fatalf("%s: %q, %v", place, text, err)
		}
		var made, want bytes.Buffer
		for source, into := range map[string]*bytes.Buffer{text: &made, place: &want} {
			parsed := template.Must(template.New("").Funcs(say).Parse(source))
			if err := parsed.Execute(into, nil); err != nil {
				t.Fatal(err)
			}
		}
		if made.String() != want.String() {
			t.Errorf("%s:\n%s\nwant\n%s", place, made.String(), want.String())
		}
	}
	if _, err := constant(words, `{{t "none"}}`); err == nil {
		t.Error("a text that is not there")
	}
}

// sourceFile is a template as it is written.
type sourceFile struct{ name, text string }

func sourceFiles(t *testing.T) (all []sourceFile) {
	t.Helper()
	names, err := fs.Glob(sources, "templates/*.html")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d templates, %v", len(names), err)
	}
	for _, name := range names {
		raw, err := sources.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sourceFile{name, string(raw)})
	}
	return all
}

// TestConstantsStandWhereTheyMay: in an element, or in the value of an attribute in double
// quotes; nowhere in a script or a style, where another escaping holds.
func TestConstantsStandWhereTheyMay(t *testing.T) {
	for _, file := range sourceFiles(t) {
		name, source := file.name, file.text
		if strings.Contains(source, "<style") || strings.Contains(strings.ReplaceAll(source, `<script src="`, ""), "<script") {
			t.Errorf("%s has a script or a style of its own", name)
		}
		for _, at := range constants.FindAllStringIndex(source, -1) {
			before := source[:at[0]]
			tag := before[strings.LastIndexAny(before, "<>")+1:]
			if strings.HasSuffix(before, "=") || strings.HasSuffix(before, "='") {
				t.Errorf("%s: %q stands in an attribute without double quotes: %s", name, source[at[0]:at[1]], tag)
			}
		}
	}
}
