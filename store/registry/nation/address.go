package nation

import "fmt"

// address is where somebody lives or something lies, with the version of the
// list its codes are of. What an old record says is kept as it was written.
type address struct {
	Line     string `json:"line,omitempty"`
	Commune  string `json:"commune,omitempty"`
	District string `json:"district,omitempty"`
	Province string `json:"province,omitempty"`
	Name     string `json:"province_name,omitempty"`
	List     string `json:"list,omitempty"`
	Written  string `json:"written,omitempty"`
	Country  string `json:"country,omitempty"`
}

// place is one door under its two addresses: three tiers until 2025-06-30, two
// since 2025-07-01.
type place struct {
	line          string
	legacy        LegacyProvince
	legacyCommune string
	district      string
	current       Province
	commune       string
}

// version is the address by one of the lists.
func (p place) version(legacy bool) address {
	if !legacy {
		return address{Line: p.line, Commune: p.commune, Province: p.current.Code, Name: p.current.FullName, List: CurrentList}
	}
	a := address{
		Line: p.line, Commune: p.legacyCommune, District: p.district, Province: p.legacy.Code, Name: p.legacy.fullName(), List: LegacyList,
	}
	a.Written = a.Commune + ", " + a.District + ", " + a.Name
	if a.Line != "" {
		a.Written = a.Line + ", " + a.Written
	}
	return a
}

// weights of provinces: more communes, more people.
var provinceTickets = func() []int {
	var tickets []int
	for i, p := range provinces.Current {
		for range p.Communes.Total {
			tickets = append(tickets, i)
		}
	}
	return tickets
}()

// place draws a door. The legacy province is one of those that were merged into
// the current one.
func (n *nation) place() place {
	current := provinces.Current[provinceTickets[n.r.IntN(len(provinceTickets))]]
	p := place{
		line:    fmt.Sprintf("Số %d, đường %s", n.between(1, 400), streets.pick(n.r)),
		legacy:  legacyByCode[current.MergedFrom[n.r.IntN(len(current.MergedFrom))]],
		current: current,
	}
	name := communes.pick(n.r)
	urban := n.r.IntN(max(1, current.Communes.Total)) < current.Communes.Wards
	p.commune, p.legacyCommune, p.district = "Xã "+name, "Xã "+name, "Huyện "+districts.pick(n.r)
	if urban {
		p.commune, p.legacyCommune, p.district = "Phường "+name, "Phường "+name, "Thành phố "+p.legacy.Name
		if p.legacy.Type != "tỉnh" {
			p.district = fmt.Sprintf("Quận %d", n.between(1, 12))
		}
	}
	return p
}
