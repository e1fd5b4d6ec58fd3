package authz_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

// RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3.
var allowed = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`)

func TestErrorBody(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"an ordinary text is as it is", "scope has a value that is not known", "scope has a value that is not known"},
		{"a section sign", "must be the issuer (RFC 9101 §4)", "must be the issuer (RFC 9101 section 4)"},
		{"RFC 9110 §5.6.4: quotes and backslashes", `purpose "a\b" is not known`, "purpose 'a/b' is not known"},
		{"what has no other spelling", "thẻ 身", "th? ?"},
		{"a line of somebody else's", "one\r\ntwo\x00", "one two?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := authz.NewError(authz.InvalidRequest, "%s", row.text)
			if got := e.Body().Description; got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if got := e.Parameters().Get("error_description"); got != row.want {
				t.Errorf("as a parameter: got %q, want %q", got, row.want)
			}
			challenge := `Bearer realm="r", error="invalid_request", error_description="` + row.want + `", scope="a"`
			if got := e.Challenge(`Bearer realm="r"`, authz.Attribute{Name: "scope", Value: "a"}); got != challenge {
				t.Errorf("as a challenge: got %s, want %s", got, challenge)
			}
		})
	}
}

// Whatever a refusal says, its three forms hold nothing that the RFCs forbid, and
// two of them read the same.
func TestDescribableProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := authz.NewError(authz.InvalidScope, "%s", rapid.String().Draw(t, "text"))
		text := e.Body().Description
		if !allowed.MatchString(text) {
			t.Fatalf("RFC 6749 §5.2: %q", text)
		}
		if e.Parameters().Get("error_description") != text || authz.Describable(text) != text {
			t.Fatalf("told twice, it is another text: %q", text)
		}
		if !regexp.MustCompile(`^DPoP error="invalid_scope", error_description="[^"\\]*"$`).MatchString(e.Challenge("DPoP")) {
			t.Fatalf("RFC 6750 §3: %s", e.Challenge("DPoP"))
		}
	})
}

// Every text of ours that can become a description loses nothing on its way, and
// nothing but errorbody.go writes one.
func TestEveryDescription(t *testing.T) {
	texts := 0
	for _, root := range []string{".", "../web", "../store", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					if n.Kind == token.STRING && strings.Contains(n.Value, "error_description") && path != "errorbody.go" {
						t.Errorf("%s writes an error_description of its own; use authz.Error's Body, Parameters or Challenge", files.Position(n.Pos()))
					}
				case *ast.CallExpr:
					for _, text := range described(n) {
						texts++
						if told := authz.Describable(text); strings.Contains(told, "?") && !strings.Contains(text, "?") ||
							!allowed.MatchString(told) {
							t.Errorf("%s: %q would be told as %q", files.Position(n.Pos()), text, told)
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if texts < 300 { // the walk saw what it is about
		t.Fatalf("only %d texts were found", texts)
	}
}

// described are the texts in a call that makes a refusal: of authz.NewError, and of
// the functions beside it that are called refuse and bad.
func described(call *ast.CallExpr) []string {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	if name != "NewError" && name != "refuse" && name != "bad" {
		return nil
	}
	var out []string
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					out = append(out, text)
				}
			}
			return true
		})
	}
	return out
}
