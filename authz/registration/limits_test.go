package registration

import (
	"strings"
	"testing"

	"hopnhat/keys/costtest"
)

// TestMetadataCostLittle: where registration is open, anybody sends them.
func TestMetadataCostLittle(t *testing.T) {
	list := func(piece string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(piece+",", n), ",") + "]"
	}
	lists := func(piece string) string { return list(list(piece, 1000), maxMetadata/(len(piece)+1)/1000-1) }
	for name, raw := range map[string]string{
		"many redirect URIs":  `{"redirect_uris":` + list(`"a"`, 24000) + `}`,
		"many keys":           `{"jwks":{"keys":` + list(`1`, 40000) + `}}`,
		"1024 keys":           `{"jwks":{"keys":` + list(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, 1024) + `}}`,
		"many certificates":   `{"jwks":{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","x5c":` + list(`"AAAA"`, 1000) + `}]}}`,
		"lists in an unknown": `{"x":` + lists(`1`) + `}`,
		"objects in keys":     `{"jwks":` + lists(`{"a":1}`) + `}`,
		"texts in URIs":       `{"redirect_uris":` + lists(`"\""`) + `}`,
		"one long name":       `{"client_name":"` + strings.Repeat(`\u00e9`, maxMetadata/6-10) + `"}`,
		"deep":                strings.Repeat(`{"a":`, maxMetadata/5-1),
	} {
		t.Run(name, func(t *testing.T) {
			costtest.Bounded(t, len(raw), func() {
				if m, err := Parse([]byte(raw)); err == nil {
					_, err = m.Client(Rules{})
					if err == nil {
						t.Fatal("registered")
					}
				}
			})
		})
	}
}
