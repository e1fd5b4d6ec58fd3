package nation

import (
	"fmt"
	"strconv"

	"hopnhat/store/registry"
)

// dong writes whole đồng.
func dong(v int) string { return strconv.Itoa(v) }

func (c *chunk) tax(n *nation, h *human) {
	if !n.some(h, 88) {
		return
	}
	income := 0
	if h.age() < 70 && n.percent(80) {
		income = (2 + n.r.IntN(30) + n.r.IntN(30)*n.r.IntN(3)) * 8_000_000
	}
	arrears := 0
	if n.r.IntN(20) == 0 && !h.named {
		arrears = n.between(1, 50) * 100_000
	}
	dependents := []any{}
	for _, child := range h.children {
		if child.age() < 18 && child.alive() && (h.female || h.spouse == nil) {
			dependents = append(dependents, ref(child))
		}
	}
	turnover := 0
	if n.percent(9) { // a household business
		turnover = n.between(20, 3000) * 1_000_000
	}
	status := "00"
	if n.r.IntN(25) == 0 && !h.named {
		status = one(n, "01", "03", "06")
	}
	c.Record("tax", h.id, 0, registry.Values{
		// Since 2025-07-01 a person's tax code is the personal number (Circular 86/2024/TT-BTC).
		"tax_code": h.number(), "taxpayer_status": status, "annual_income": dong(income), "income_band": band(income),
		"arrears":    dong(arrears),
		"no_arrears": arrears == 0, "dependents": dependents, "invoices_total": dong(turnover),
	})
}

// band groups a year's income, so that few need the figure.
func band(income int) string {
	switch {
	case income < 60_000_000:
		return "A"
	case income < 180_000_000:
		return "B"
	case income < 480_000_000:
		return "C"
	}
	return "D"
}

func (c *chunk) insurance(n *nation, h *human) {
	v := registry.Values{
		"hi_card": fmt.Sprintf("%s9%012d", one(n, "DN", "HC", "GD", "HS"), h.seq), "hi_validity": map[string]any{"from": "2026-01-01", "to": "2026-12-31"},
	}
	age := h.age()
	switch {
	case age < 18:
		if !n.some(h, 92) {
			return
		}
	case age < 61 && n.some(h, 62):
		part := one(n, "đang đóng", "đang đóng", "đang đóng", "bảo lưu")
		sick := []any{}
		if n.percent(12) {
			sick = append(sick, map[string]any{"days": n.between(1, 14), "year": 2026})
		}
		to := "2026-09"
		if part == "bảo lưu" {
			to = "2024-03"
		}
		from := fmt.Sprintf("%d-%02d", min(2023, h.birth.Year()+n.between(18, 24)), n.between(1, 12))
		v["participation"], v["employer_history"] = part, []any{map[string]any{"org": n.employer(), "from": from, "to": to}}
		v["salary_base"], v["sick_leave"] = dong(n.between(50, 250)*100_000), sick
	case age >= 61 && n.some(h, 45):
		v["participation"], v["employer_history"], v["sick_leave"] = "hưởng hưu", []any{map[string]any{"org": n.employer(), "from": fmt.Sprintf("%d-01", h.birth.Year()+25), "to": fmt.Sprintf("%d-12", h.birth.Year()+60)}}, []any{}
		v["pension"] = map[string]any{"type": "hưu trí", "from": fmt.Sprintf("%d-01-01", h.birth.Year()+61), "monthly": dong(n.between(30, 120) * 100_000)}
	case n.percent(85):
		v["participation"] = "chỉ bảo hiểm y tế"
	default:
		return
	}
	if v["participation"] != nil && v["participation"] != "chỉ bảo hiểm y tế" {
		v["si_code"] = fmt.Sprintf("99%08d", h.seq)
	}
	c.Record("social_insurance", h.id, 0, v)
}

func (c *chunk) cadre(n *nation, h *human) {
	if h.age() > 61 || !(n.percent(3) || h.named && h.female && h.age() > 40) {
		return
	}
	discipline := []any{}
	if n.percent(3) {
		discipline = append(discipline, map[string]any{"form": "khiển trách", "date": dateText(n.day(2020, 2025))})
	}
	c.Record("cadre", h.id, 0, registry.Values{
		"agency":   "UBND " + h.current.Commune,
		"position": one(n, "Công chức địa chính", "Công chức tư pháp - hộ tịch", "Chuyên viên", "Viên chức"),
		"rank":     fmt.Sprintf("01.003/%d", n.between(1, 9)), "salary_coef": one(n, "2.34", "2.67", "3.00", "3.33", "3.66", "4.32"),
		"party_member": n.percent(45),
		"training":     []any{one(n, "Chuyển đổi số", "Quản lý nhà nước", "Bảo vệ dữ liệu cá nhân")}, "discipline": discipline, "active": n.percent(97) || h.named,
	})
}

func (c *chunk) protection(n *nation, h *human) {
	orphan := h.mother != nil && h.father != nil && !h.mother.dead.IsZero() && !h.father.dead.IsZero() && !h.adult()
	if !orphan && !n.percent(7) && !(h.named && !h.adult()) {
		return
	}
	household := []any{}
	if h.mother != nil {
		household = append(household, ref(h.mother))
	}
	disability := one(n, "không", "không", "không", "nhẹ", "nặng", "đặc biệt nặng")
	benefit, amount := "không", 0
	switch {
	case orphan:
		benefit, amount = "trẻ mồ côi", 900_000
	case disability != "không":
		benefit, amount = "người khuyết tật", 750_000
	case h.age() >= 75:
		benefit, amount = "trợ cấp hưu trí xã hội", 500_000
	}
	merit := "không"
	if h.age() > 65 && n.percent(15) {
		merit = one(n, "thương binh", "bệnh binh", "người hoạt động kháng chiến")
	}
	v := registry.Values{
		"poor_household": one(n, "không", "không", "cận nghèo", "nghèo"), "disability": disability, "benefit_type": benefit,
		"benefit_amount": dong(amount),
		"merit":          merit, "household_members": household, "orphan": orphan,
	}
	if amount > 0 {
		v["payment_account"] = fmt.Sprintf("ref:account/%d", h.seq)
	}
	c.Record("social_protection", h.id, 0, v)
}
