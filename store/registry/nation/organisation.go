package nation

import (
	"fmt"
	"time"

	"hopnhat/store/registry"
)

// namedOnes writes the persons and organisations that documentation and tests
// speak of, first, so that they are the same in every nation of a seed.
func (c *chunk) namedOnes(n *nation) {
	people := n.named()
	c.family(n, people)
	binh, chi := people[1], people[2]
	since := time.Date(2021, 3, 15, 0, 0, 0, 0, time.UTC)
	c.organisation(n, "9900000016", "Công ty TNHH Mẫu Thử", since, "đang hoạt động", []mandate{{binh, "Giám đốc", false, since, time.Time{}}})
	c.organisation(n, "9900000023", "Công ty Cổ phần Hai Đại Diện Mẫu", since, "đang hoạt động", []mandate{
		{binh, "Giám đốc", true, since, time.Time{}}, {chi, "Chủ tịch Hội đồng quản trị", true, since, time.Time{}},
	})
}

// mandate is a representative by law for some time.
type mandate struct {
	person   *human
	title    string
	joint    bool
	from, to time.Time
}

// newOrganisation draws an enterprise. Whoever represents it lives, is of age and
// was so when the mandate began.
func (c *chunk) newOrganisation(n *nation) {
	reps := 1
	if n.percent(18) {
		reps = 2 + n.r.IntN(2)
	}
	joint := reps > 1 && n.percent(50)
	first := n.r.IntN(len(n.adults))
	var mandates []mandate
	youngest := 0
	for i := range reps {
		h := n.adults[(first+i)%len(n.adults)]
		youngest = max(youngest, h.birth.Year())
		mandates = append(
			mandates, mandate{person: h, title: one(n, "Giám đốc", "Tổng giám đốc", "Chủ tịch Hội đồng thành viên"), joint: joint},
		)
	}
	founded := later(n.day(max(1995, min(youngest+19, 2025)), 2026), 0)
	for i := range mandates {
		if adult := mandates[i].person.birth.AddDate(18, 0, 1); adult.After(founded) {
			founded = adult
		}
	}
	for i := range mandates {
		mandates[i].from = founded
	}
	if n.percent(12) && founded.Year() < 2024 { // somebody before them
		before := n.adults[(first+reps)%len(n.adults)]
		end := n.day(founded.Year()+1, 2025)
		if before.birth.AddDate(18, 0, 1).Before(founded) {
			for i := range mandates {
				mandates[i].from = end.AddDate(0, 0, 1)
			}
			mandates = append(mandates, mandate{before, "Giám đốc", false, founded, end})
		}
	}
	kind := one(n, "Công ty TNHH", "Công ty TNHH", "Công ty TNHH", "Công ty Cổ phần", "Hợp tác xã", "Doanh nghiệp tư nhân")
	name := fmt.Sprintf("%s %s %s %s", kind, trades.pick(n.r), communes.pick(n.r), givenMen.pick(n.r))
	status := "đang hoạt động"
	if n.percent(7) {
		status = one(n, "tạm ngừng", "đang giải thể", "đã giải thể")
	}
	c.organisation(n, enterpriseCode(100+n.orgs), name, founded, status, mandates)
}

func (c *chunk) organisation(n *nation, code, name string, founded time.Time, status string, mandates []mandate) {
	seq, id := n.orgs, n.ident("organisation", n.orgs)
	n.orgs++
	if len(n.codes) < 64 {
		n.codes = append(n.codes, code)
	} else {
		n.codes[seq%64] = code
	}
	c.Put(registry.Organisations, id, seq, name, status)
	c.Put(registry.Identifiers, id, string(registry.Enterprise), code, 0, date(founded), nil, "active", nil)
	reps, members, owners := []any{}, []any{}, []any{}
	office := mandates[0].person.current
	present := 0
	for _, m := range mandates {
		c.Put(registry.Representatives, id, m.person.id, m.title, m.joint, date(m.from), date(m.to))
		if m.to.IsZero() {
			present++
		}
	}
	for _, m := range mandates {
		if !m.to.IsZero() {
			continue
		}
		scope := "một mình ký"
		if m.joint {
			scope = "cùng ký"
		}
		reps = append(reps, map[string]any{"ref": ref(m.person), "title": m.title, "scope": scope})
		share := 1 / float64(present)
		members = append(members, map[string]any{"ref": ref(m.person), "share": fmt.Sprintf("%.2f", share)})
		if share >= 0.25 {
			owners = append(owners, map[string]any{"ref": ref(m.person)})
		}
	}
	var branch any
	if n.percent(20) || seq < 2 {
		branch = code + "-001"
	}
	c.Record("business", id, 0, registry.Values{
		"enterprise_code": code, "branch_code": branch, "name": name, "status": status, "legal_reps": reps, "head_office": office,
		"charter_capital": dong(n.between(1, 900) * 100_000_000), "members": members, "beneficial_owner": owners,
		"founded": dateText(founded),
	})
	arrears := 0
	if n.percent(6) && seq >= 2 {
		arrears = n.between(1, 900) * 1_000_000
	}
	c.Record("tax", id, 0, registry.Values{
		"tax_code": code, "taxpayer_status": "00", "annual_income": dong(n.between(0, 900) * 10_000_000), "income_band": "D",
		"arrears":    dong(arrears),
		"no_arrears": arrears == 0, "dependents": []any{}, "invoices_total": dong(n.between(1, 90_000) * 1_000_000),
	})
	if n.percent(35) {
		c.vehicleOf(n, id, nil, 0, 1_900_000+seq)
	}
	if n.percent(25) {
		c.Record("land", id, 0, registry.Values{
			"parcel_id":      fmt.Sprintf("%s-%05d-%02d-%03d", office.Province, n.r.IntN(100_000), 1+n.r.IntN(99), 1+n.r.IntN(999)),
			"certificate_no": fmt.Sprintf("MAU T%06d", seq),
			"area":           fmt.Sprintf("%d", n.between(200, 20_000)), "use_purpose": one(n, "SKC", "TMD"), "owners": []any{},
			"address":     office,
			"encumbrance": one(n, "không", "đang thế chấp"), "has_home": false,
		})
	}
}
