package registry

import (
	"fmt"
	"time"
)

// registers writes the rows a person has in the registers. Who lives is in the
// population register; how much of the rest is there follows age and chance.
func (c *chunk) registers(n *nation, h *human) {
	age, r := h.age(), n.r
	chance := func(percent int) bool { return h.seq < 4 || r.IntN(100) < percent }
	sex := "nam"
	if h.female {
		sex = "nữ"
	}
	life := "còn sống"
	if !h.alive() {
		life = "đã chết"
	}
	var links []any
	for _, l := range []struct {
		relation string
		other    *human
	}{{"mẹ", h.mother}, {"cha", h.father}, {"vợ/chồng", h.spouse}} {
		if l.other != nil {
			links = append(links, map[string]any{"relation": l.relation, "ref": personRef + l.other.id})
		}
	}
	for _, child := range h.children {
		links = append(links, map[string]any{"relation": "con", "ref": personRef + child.id})
	}
	c.record("population", 0, h.id, map[string]any{
		"pin": h.number, "full_name": legacyForm(h, h.name), "birth_date": h.birthText(), "age_over": age >= 18, "sex": sex,
		"ethnicity": ethnicities.pick(r), "religion": religions.pick(r), "permanent_address": h.home, "current_address": h.home,
		"portrait": fmt.Sprintf("ref:portrait/%d", h.seq), "family_links": links, "life_status": life,
	})
	if h.foreign != "" {
		c.foreigner(n, h)
		return
	}
	status := "độc thân"
	if h.spouse != nil {
		status = "đã kết hôn"
		if !h.spouse.alive() {
			status = "góa"
		}
	}
	civil := map[string]any{
		"birth_cert_no": fmt.Sprintf("MAU-%d/%d", h.seq+1, h.birth.Year()), "birth_place": h.home, "marital_status": status,
		"marriage_date": date(h.married), "spouse": ref(h.spouse), "death_date": date(h.dead),
	}
	if age < 18 {
		civil["guardian"] = ref(h.mother)
	}
	c.record("civil", 0, h.id, civil)
	if !h.alive() {
		return
	}
	c.health(n, h, chance)
	c.education(n, h, chance)
	if age < 18 {
		return
	}
	c.property(n, h, chance)
	c.work(n, h, chance)
	c.record("judicial", 0, h.id, map[string]any{
		"record_exists": false, "convictions": []any{}, "spent": []any{}, "prohibitions": []any{},
		"certificate_no": fmt.Sprintf("MAU-LLTP-%d", h.seq+1), "issued_on": "2026-04-18",
	})
}

func (c *chunk) foreigner(n *nation, h *human) {
	c.record("immigration", 0, h.id, map[string]any{
		"foreigner_id": fmt.Sprintf("99%013d", h.seq), "passport_no": fmt.Sprintf("P%07d", h.seq), "nationality": h.foreign,
		"residence_card": map[string]any{"type": "TRC", "until": "2027-05-01"}, "stay_until": "2027-05-01", "entries": []any{},
		"work_permit": map[string]any{"no": fmt.Sprintf("MAU-WP-%d", h.seq)}, "visa_type": "LĐ1",
	})
	c.record("tax", 0, h.id, tax(n, h))
}

func tax(n *nation, h *human) map[string]any {
	income := int64(n.r.IntN(60)) * 10_000_000
	band := "A"
	if income > 100_000_000 {
		band = "B"
	}
	if income > 400_000_000 {
		band = "C"
	}
	arrears := int64(0)
	if n.r.IntN(20) == 0 {
		arrears = int64(1+n.r.IntN(50)) * 100_000
	}
	var dependents []any
	for _, child := range h.children {
		if child.age() < 18 {
			dependents = append(dependents, personRef+child.id)
		}
	}
	return map[string]any{
		"tax_code": h.number, "taxpayer_status": "00", "annual_income": fmt.Sprint(income), "income_band": band,
		"arrears": fmt.Sprint(arrears), "no_arrears": arrears == 0, "dependents": dependents, "invoices_total": "0",
	}
}

func (c *chunk) property(n *nation, h *human, chance func(int) bool) {
	r := n.r
	c.record("tax", 0, h.id, tax(n, h))
	parcels := 0
	if chance(45) {
		parcels = 1 + r.IntN(2)
	}
	for i := range parcels {
		c.record("land", i, h.id, map[string]any{
			"parcel_id": fmt.Sprintf("%s-%05d-%02d-%03d", h.home.Province, r.IntN(100000), r.IntN(100), r.IntN(1000)), "certificate_no": fmt.Sprintf("MAU %06d", (h.seq*2+i)%1_000_000),
			"area": fmt.Sprintf("%.1f", 30+r.Float64()*400), "use_purpose": []string{"ODT", "ONT", "LUC", "CLN"}[r.IntN(4)], "owners": []any{personRef + h.id},
			"address": h.home, "encumbrance": []string{"không", "không", "không", "đang thế chấp"}[r.IntN(4)], "has_home": r.IntN(2) == 0,
		})
	}
	if chance(60) {
		c.record("driving", 0, h.id, map[string]any{
			"licence_no": fmt.Sprintf("99%010d", h.seq), "classes": []string{"A1", "B"}[:1+r.IntN(2)], "valid_until": "2034-02-28", "valid_now": true,
			"points": 12 - r.IntN(4), "violations": []any{}, "issue_place": "Phòng CSGT mẫu",
		})
	}
	if chance(50) {
		c.record("vehicle", 0, h.id, map[string]any{
			"plate": fmt.Sprintf("99%c-%03d.%02d", 'A'+rune(r.IntN(8)), h.seq/100%1000, h.seq%100), "owner": personRef + h.id, "make_model": "MẪU XE 1.5",
			"chassis_no": fmt.Sprintf("MAU%014d", h.seq), "engine_no": fmt.Sprintf("MAUENG%07d", h.seq),
			"registered_on": "2023-08-15", "inspection_until": "2027-02-14", "encumbrance": "không",
		})
	}
}

func (c *chunk) work(n *nation, h *human, chance func(int) bool) {
	r, age := n.r, h.age()
	if chance(70) {
		part, pension := "đang đóng", map[string]any{"type": "không"}
		if age >= 61 {
			part, pension = "hưởng hưu", map[string]any{"type": "hưu trí", "from": fmt.Sprint(h.birth.Year() + 61)}
		}
		c.record("social_insurance", 0, h.id, map[string]any{
			"si_code": fmt.Sprintf("99%08d", h.seq), "participation": part,
			"employer_history": []any{map[string]any{"org": "9900000016", "from": "2024-01", "to": "2026-09"}},
			"salary_base":      fmt.Sprint((50 + r.IntN(200)) * 100_000), "hi_card": fmt.Sprintf("DN401%010d", h.seq),
			"hi_validity": map[string]any{"from": "2026-01-01", "to": "2026-12-31"}, "sick_leave": []any{}, "pension": pension,
		})
	}
	if age < 62 && r.IntN(100) < 3 {
		c.record("cadre", 0, h.id, map[string]any{
			"agency": "UBND phường Mẫu", "position": "Công chức địa chính", "rank": "01.003/3", "salary_coef": "2.67",
			"training": []any{"Chuyển đổi số"}, "discipline": []any{}, "active": true,
		})
	}
	if r.IntN(100) < 8 {
		c.record("social_protection", 0, h.id, map[string]any{
			"poor_household": []string{"không", "cận nghèo", "nghèo"}[r.IntN(3)], "disability": []string{"không", "nhẹ", "nặng"}[r.IntN(3)],
			"benefit_type": "trợ cấp xã hội", "benefit_amount": "540000", "payment_account": fmt.Sprintf("ref:account/%d", h.seq),
			"merit": "không", "household_members": []any{}, "orphan": false,
		})
	}
}

func (c *chunk) health(n *nation, h *human, chance func(int) bool) {
	if !chance(80) {
		return
	}
	r := n.r
	allergies, conditions := []any{}, []any{}
	if r.IntN(12) == 0 {
		allergies = append(allergies, "penicillin")
	}
	if h.age() > 50 && r.IntN(4) == 0 {
		conditions = append(conditions, "I10")
	}
	c.record("health", 0, h.id, map[string]any{
		"blood_type": []string{"O+", "A+", "B+", "AB+", "O-"}[r.IntN(5)], "allergies": allergies, "conditions": conditions,
		"vaccinations": []any{map[string]any{"vaccine": "MMR", "date": h.birth.AddDate(1, 0, 0).Format(time.DateOnly)}},
		"encounters":   []any{}, "lab_results": []any{}, "fitness_to_drive": len(conditions) == 0,
	})
}

func (c *chunk) education(n *nation, h *human, chance func(int) bool) {
	age, r := h.age(), n.r
	switch {
	case age >= 6 && age < 18:
		grade := min(12, age-5)
		c.record("education", 0, h.id, map[string]any{
			"school": "Trường Mẫu", "grade": fmt.Sprintf("%d%c", grade, 'A'+rune(r.IntN(5))), "transcript": map[string]any{"2025-2026": "Tốt"},
		})
	case age >= 22 && chance(35):
		c.record("education", 0, h.id, map[string]any{
			"degree_no": fmt.Sprintf("MAU-%d-%06d", h.birth.Year()+22, h.seq), "degree_level": "đại học", "degree_valid": true,
			"exam_scores": map[string]any{"toan": fmt.Sprintf("%.1f", 5+r.Float64()*5)},
		})
	}
}
