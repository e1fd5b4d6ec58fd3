package registration

import (
	"strings"
	"testing"

	"hopnhat/authz"
)

// TestLookalike: consent phishing by name, rule by rule.
func TestLookalike(t *testing.T) {
	known := []Known{
		{ID: "thue", Name: authz.LocalizedText{VI: "Thuế điện tử", EN: "eTax"}, Owner: authz.LocalizedText{VI: "Bộ Tài chính", EN: "Ministry of Finance"}},
		{ID: "cang", Name: authz.LocalizedText{VI: "CANG"}, Owner: authz.LocalizedText{VI: "Cục Mẫu"}},
	}
	mine := authz.LocalizedText{VI: "Sở Mẫu"}
	for _, row := range []struct {
		name  string
		owner authz.LocalizedText
		rule  string
	}{
		{"Sổ đất", mine, ""},
		{"Thuế điện tử", mine, "look-alike-name"},
		{"THUẾ ĐIỆN TỬ", mine, "look-alike-name"},
		{"Thue dien tu", mine, "look-alike-name"},
		{"Thuế-điện.tử", mine, "look-alike-name"},
		{"Thu\u0065\u0302\u0301 điện tử", mine, "look-alike-name"}, // the same letters, composed otherwise
		{"eTax", mine, "look-alike-name"},
		{"ЕТАХ", mine, "latin-name"},  // Cyrillic throughout
		{"ＣＡＮＧ", mine, "latin-name"},  // full width
		{"ᴠɴᴇɪᴅ", mine, "latin-name"}, // small capitals, which are Latin too
		{"ꓦꓠꓰꓲꓓ", mine, "latin-name"}, // Lisu
		{"ᏙNΕID", mine, "latin-name"}, // Cherokee and Greek
		{"𝖵𝖭𝖾𝖨𝖣", mine, "latin-name"}, // mathematical
		{"eTaⅩ", mine, "plain-name"},  // a Roman numeral
		{"eTɑx", mine, "latin-name"},  // phonetic
		{"Thuế điện tử ٢", mine, "plain-name"},
		{"Thuế\ufe0f điện tử", mine, "visible-name"},
		{"S\u0336ổ đất", mine, "plain-name"}, // struck through
		{"Café Buôn Ma Thuột", mine, ""},
		{"Thuế điện tử", known[0].Owner, ""}, // its own agency's
		{"Bộ Tài chính", mine, "agency-name"},
		{"Ministry of Finance", mine, "agency-name"},
		{"Thuế điện tử tỉnh Mẫu", mine, ""}, // another name
		{"VNelD", mine, "reserved-name"},    // a small L
		{"Định danh quốc gia 2", mine, "reserved-name"},
		{"Тhuế", mine, "latin-name"}, // its first letter is Cyrillic
		{"Sổ\u200bđất", mine, "visible-name"},
		{"Sổ\u202eđất", mine, "visible-name"},
		{"Sổ\u00a0đất", mine, "visible-name"},
		{"Sổ\u3164đất", mine, "visible-name"},
		{"Sổ\nđất", mine, "visible-name"},
		{"Sổ đất ✅", mine, "plain-name"},
		{"Sổ|đất", mine, "plain-name"},
		{"...", mine, "readable-name"},
		{strings.Repeat("a", maxName+1), mine, "readable-name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, c := range []authz.Client{
				{ID: "new", Name: authz.LocalizedText{VI: row.name}, Owner: row.owner},
				{ID: "new", Name: authz.LocalizedText{VI: "Một tên khác", EN: row.name}, Owner: row.owner},
			} {
				err := checkLookalike(Metadata{}, &c, authz.Profile{}, Rules{Known: known})
				if (err == nil) != (row.rule == "") || err != nil && !strings.Contains(err.Error(), "rule "+row.rule) {
					t.Fatalf("got %v, want rule %q", err, row.rule)
				}
			}
		})
	}
	if err := checkLookalike(
		Metadata{}, &authz.Client{ID: "thue", Name: known[0].Name, Owner: mine}, authz.Profile{}, Rules{Known: known},
	); err != nil {
		t.Errorf("an app looks like itself: %v", err)
	}
}
