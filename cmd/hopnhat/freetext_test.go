package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoNumberInFreeTexts: no text that an operator writes freely, on the command line or in
// a file, is taken with what may be the number of a person, whose place is the
// registers; and the refusal does not repeat it.
func TestNoNumberInFreeTexts(t *testing.T) {
	h := begun(t, false)
	folder := t.TempDir()
	app := func(changes ...string) string {
		text := `- client_id: so
  client_name: Sổ đất
  client_name#en: Land book
  owner: {vi: Sở Mẫu, en: Sample Department}
  profile: oidc
  redirect_uris: ["http://localhost/cb"]
  declarations:
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: civil, attributes: [civil.marital_status],
       explanation: {vi: Xem tình trạng, en: To see the state}, max_days: 30}
`
		return strings.NewReplacer(changes...).Replace(text)
	}
	api := func(changes ...string) string {
		return strings.NewReplacer(changes...).Replace(
			"- {resource: https://api.land.example.vn, name: {vi: Đất đai, en: Land}, owner: {vi: Sở Mẫu, en: Sample Department}}\n")
	}
	purposes := func(changes ...string) string {
		_, list, _ := strings.Cut(app(changes...), "declarations:\n")
		return strings.ReplaceAll(list, "    - ", "- ")
	}
	key := strings.Fields(strings.Split(h.do(t, 0, "keys", "status"), "\n")[1])
	file := 0
	for _, row := range []struct {
		name  string
		words []string
		file  string // its content; the last word is its name
	}{
		{"the reason of a revocation", []string{"keys", "revoke", "--yes", "--why", "NUMBER", "--", key[len(key)-1]}, ""},
		{"the agency of an initial access token", []string{"client", "iat", "create", "--owner", "NUMBER"}, ""},
		{"the agency in English", []string{"client", "iat", "create", "--owner", "Sở Mẫu", "--owner-en", "NUMBER"}, ""},
		{
			"an explanation that a token lets apps give",
			[]string{"client", "iat", "create", "--owner", "Sở Mẫu", "--declarations"},
			purposes("Xem tình trạng", "NUMBER"),
		},
		{"the name of an app", []string{"client", "add"}, app("Sổ đất", "NUMBER")},
		{"the name of an app in English", []string{"client", "add"}, app("Land book", "NUMBER")},
		{"the agency of an app", []string{"client", "add"}, app("Sở Mẫu", "NUMBER")},
		{"the agency of an app in English", []string{"client", "add"}, app("Sample Department", "NUMBER")},
		{"an explanation to citizens", []string{"client", "add"}, app("Xem tình trạng", "NUMBER")},
		{"an explanation in English", []string{"client", "add"}, app("To see the state", "NUMBER")},
		{"the name of an API", []string{"resource", "add"}, api("Đất đai", "NUMBER")},
		{"the name of an API in English", []string{"resource", "add"}, api("Land", "NUMBER")},
		{"the agency of an API", []string{"resource", "add"}, api("Sở Mẫu", "NUMBER")},
		{"the agency of an API in English", []string{"resource", "add"}, api("Sample Department", "NUMBER")},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, written := range []string{"của 099304000017", "của 099 304 000 017"} {
				words := strings.Split(strings.ReplaceAll(strings.Join(row.words, "\n"), "NUMBER", written), "\n")
				if row.file != "" {
					file++
					name := filepath.Join(folder, fmt.Sprintf("%d.yaml", file))
					write(t, name, strings.ReplaceAll(row.file, "NUMBER", written))
					words = append(words, name)
				}
				out := h.do(t, 1, words...)
				if !strings.Contains(out, "twelve digits") || strings.Contains(out, "000017") || strings.Contains(out, "000 017") {
					t.Errorf("the answer is %q", out)
				}
			}
		})
	}
	for name, text := range map[string]string{"resource": api(), "client": app()} { // and it was the number
		file := filepath.Join(folder, name+".yaml")
		write(t, file, text)
		h.do(t, 0, name, "add", file)
	}
	write(t, filepath.Join(folder, "purposes.yaml"), purposes())
	h.do(t, 0, "client", "iat", "create", "--owner", "Sở Mẫu", "--declarations", filepath.Join(folder, "purposes.yaml"))
}
