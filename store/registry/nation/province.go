package nation

import (
	_ "embed"
	"encoding/json"
	"time"
)

//go:embed provinces.json
var provincesJSON []byte

// The two lists of administrative units. A code means a place only together
// with its list: 15 was Yên Bái until 2025-06-30 and is Lào Cai since.
const (
	CurrentList = "2025-07-01"
	LegacyList  = "2025-06-30"
)

// Province is a province of the current list.
type Province struct {
	Code       string   `json:"code"`
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	FullName   string   `json:"full_name"`
	NameEN     string   `json:"name_en"`
	MergedFrom []string `json:"merged_from"`
	// Communes counts the units of the second tier by kind.
	Communes struct {
		Wards        int `json:"phuong"`
		Communes     int `json:"xa"`
		SpecialZones int `json:"dac_khu"`
		Total        int `json:"total"`
	} `json:"communes"`
}

// LegacyProvince is a province of the list before, with its successor.
type LegacyProvince struct {
	Code string `json:"code"`
	// PINPrefix begins the personal numbers registered there, for ever.
	PINPrefix string `json:"pin_prefix"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Successor string `json:"successor"`
}

// fullName is the name as addresses write it.
func (p LegacyProvince) fullName() string {
	if p.Type == "tỉnh" {
		return "Tỉnh " + p.Name
	}
	return "Thành phố " + p.Name
}

var provinces = func() (both struct {
	Current []Province       `json:"current"`
	Legacy  []LegacyProvince `json:"legacy"`
},
) {
	if err := json.Unmarshal(provincesJSON, &both); err != nil {
		panic("nation: the built-in list of provinces is damaged: " + err.Error())
	}
	return both
}()

var (
	currentByCode = func() map[string]Province {
		m := map[string]Province{}
		for _, p := range provinces.Current {
			m[p.Code] = p
		}
		return m
	}()
	legacyByCode = func() map[string]LegacyProvince {
		m := map[string]LegacyProvince{}
		for _, p := range provinces.Legacy {
			m[p.Code] = p
		}
		return m
	}()
)

// Provinces lists the current and the legacy provinces.
func Provinces() ([]Province, []LegacyProvince) { return provinces.Current, provinces.Legacy }

// ListOf is the list of administrative units in force on a day.
func ListOf(day time.Time) string {
	if day.Format(time.DateOnly) < CurrentList {
		return LegacyList
	}
	return CurrentList
}

// ProvinceName is what a code means in a list, and whether it means anything.
func ProvinceName(list, code string) (string, bool) {
	switch list {
	case CurrentList:
		p, ok := currentByCode[code]
		return p.FullName, ok
	case LegacyList:
		p, ok := legacyByCode[code]
		return p.fullName(), ok
	}
	return "", false
}
