package claims

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
)

//go:embed provinces.json
var provincesJSON []byte

// province is one of the 34 since 2025-07-01, with those it was made of
// (Resolution 202/2025/QH15).
type province struct {
	Code       string   `json:"code"`
	Name       string   `json:"name"`
	MergedFrom []string `json:"merged_from"`
}

// currentList is how a record names the list of 34 provinces. A code means a place
// only together with its list.
const currentList = "2025-07-01"

// provinceNow finds the present province by its own code, or by that of one it was
// made of.
var provinceNow, provinceSince = func() (now, since map[string]string) {
	var all []province
	if err := json.Unmarshal(provincesJSON, &all); err != nil {
		panic(fmt.Sprintf("claims: the built-in list of provinces is damaged: %v", err))
	}
	now, since = map[string]string{}, map[string]string{}
	for _, p := range all {
		now[p.Code] = p.Name
		for _, old := range p.MergedFrom {
			since[old] = p.Name
		}
	}
	return now, since
}()

// Address is OpenID Connect Core §5.1.1.
type Address struct {
	Formatted string `json:"formatted"`
	Street    string `json:"street_address,omitempty"`
	Locality  string `json:"locality,omitempty"`
	Region    string `json:"region,omitempty"`
	Country   string `json:"country"`
}

// addressOf makes the address of a permanent residence. The region is one of the 34
// provinces, also where an old record names a province that was merged; what the
// old record says stays as it was written in formatted.
func addressOf(s Source) (any, bool) {
	record, ok := s.Values[residence].(map[string]any)
	if !ok {
		return nil, false
	}
	text := func(member string) string {
		v, _ := record[member].(string)
		return norm.NFC.String(v)
	}
	a := Address{Formatted: text("written"), Street: text("line"), Locality: joined(text("commune"), text("district")), Country: "Việt Nam"}
	abroad := text("country")
	switch code := text("province"); {
	case abroad != "" && abroad != "VNM" && abroad != "VN":
		a.Country, a.Region = abroad, text("province_name")
	case text("list") == currentList:
		a.Region = provinceNow[code]
	default:
		a.Region = provinceSince[code]
	}
	if a.Region == "" {
		a.Region = text("province_name")
	}
	if a.Formatted == "" {
		a.Formatted = joined(a.Street, a.Locality, a.Region)
	}
	return a, a.Formatted != ""
}

func joined(parts ...string) string {
	var present []string
	for _, p := range parts {
		if p != "" {
			present = append(present, p)
		}
	}
	return strings.Join(present, ", ")
}
