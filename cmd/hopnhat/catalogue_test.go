package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/consent"
)

// catalogueRows is the JSON of the catalogue, as far as the test reads it.
type catalogueRows struct {
	Purposes []struct {
		ID    string              `json:"id"`
		Name  authz.LocalizedText `json:"name"`
		Bases []string            `json:"legal_bases"`
		Asked string              `json:"consent"`
	} `json:"purposes"`
	Registers  []struct{ ID string } `json:"registers"`
	Attributes []struct {
		ID       string              `json:"id"`
		Name     authz.LocalizedText `json:"name"`
		Purposes []string            `json:"purposes"`
	} `json:"attributes"`
	Bases []struct{ ID string } `json:"bases"`
}

// What is listed is the whole catalogue, in both languages, as text and as JSON.
func TestTheCatalogueIsListed(t *testing.T) {
	list := func(code int, words ...string) string {
		e, out := surroundings(nil)
		if got := run(t.Context(), e, append([]string{"catalogue", "list"}, words...)); got != code {
			t.Fatalf("%v: code %d\n%s", words, got, out)
		}
		return out.String()
	}
	var all catalogueRows
	if err := json.Unmarshal([]byte(list(0, "--json")), &all); err != nil {
		t.Fatal(err)
	}
	text := list(0)
	c := consent.Load()
	if len(all.Purposes) != len(c.Purposes) || len(all.Registers) != len(c.Registries) || len(all.Bases) != len(c.Bases) ||
		len(all.Attributes) == 0 {
		t.Fatalf("%d purposes, %d registers, %d bases, %d attributes", len(all.Purposes), len(all.Registers), len(all.Bases), len(all.Attributes))
	}
	for _, p := range all.Purposes {
		if len(p.Bases) == 0 && p.Asked != consent.ModeForbidden || p.Name.VI == "" || p.Name.EN == "" ||
			!strings.Contains(text, p.Name.VI) || !strings.Contains(text, p.Name.EN) {
			t.Errorf("%+v", p)
		}
	}
	for _, a := range all.Attributes {
		if len(a.Purposes) == 0 || a.Name.VI == "" || a.Name.EN == "" || !strings.Contains(text, a.ID) {
			t.Errorf("%+v", a)
		}
	}
	var one catalogueRows
	if err := json.Unmarshal([]byte(list(0, "--json", "bases")), &one); err != nil || len(one.Bases) != len(c.Bases) ||
		one.Purposes != nil {
		t.Fatalf("%+v, %v", one, err)
	}
	list(1, "kings")
	if behind := list(0, "bases", "--json"); behind != list(0, "--json", "bases") {
		t.Errorf("a flag behind a word: %s", behind)
	}
}

// The examples of docs/registration.md are taken as they stand.
func TestTheExamplesOfRegistrationWork(t *testing.T) {
	raw, err := os.ReadFile("../../docs/registration.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(raw), "```yaml\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("%d examples, want the file of apps and that of declarations", len(blocks))
	}
	files := make([]string, len(blocks))
	for i, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		files[i] = filepath.Join(t.TempDir(), "example.yaml")
		if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := begun(t, false)
	h.do(t, 0, "client", "add", files[0])
	if out := h.do(t, 0, "client", "show", "so-dat"); !strings.Contains(out, "DN-[0-9]{6}") ||
		!strings.Contains(out, "land.certificate_no") {
		t.Errorf("it was registered as\n%s", out)
	}
	h.do(
		t, 0, "client", "iat", "create", "--profile", "fapi2", "--owner", "Sở Mẫu", "--uses", "1", "--expires", "72h", "--declarations",
		files[1],
	)
}
