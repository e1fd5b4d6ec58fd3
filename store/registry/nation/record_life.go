package nation

import (
	"fmt"

	"hopnhat/store/registry"
)

func (c *chunk) health(n *nation, h *human) {
	if !n.some(h, 75) {
		return
	}
	age := h.age()
	allergies, conditions, encounters, labs := []any{}, []any{}, []any{}, []any{}
	if n.r.IntN(12) == 0 {
		allergies = append(allergies, one(n, "penicillin", "aspirin", "tôm", "phấn hoa"))
	}
	if n.percent(min(70, max(2, age-20))) {
		conditions = append(conditions, one(n, "I10", "E11", "J45", "K21", "M54"))
	}
	for range n.r.IntN(3) {
		encounters = append(encounters, map[string]any{"facility": h.current.Province + "-MAU", "from": dateText(n.day(2025, 2026)), "discharge": one(n, "khỏi", "đỡ", "chuyển tuyến")})
	}
	if len(conditions) > 0 {
		labs = append(labs, map[string]any{"code": "GLU", "value": fmt.Sprintf("%.1f", 4+n.r.Float64()*6)})
	}
	vaccinations := []any{map[string]any{"vaccine": "BCG", "date": dateText(later(h.birth, 20))}}
	if age > 0 {
		vaccinations = append(vaccinations, map[string]any{"vaccine": "MMR", "date": dateText(later(h.birth, 280+n.r.IntN(60)))})
	}
	v := registry.Values{
		"blood_type": one(n, "O+", "O+", "O+", "B+", "B+", "A+", "A+", "AB+", "O-"), "allergies": allergies, "conditions": conditions,
		"vaccinations": vaccinations, "encounters": encounters, "lab_results": labs,
		"fitness_to_drive": age >= 18 && age < 85 && !n.percent(4),
	}
	// Closed attributes: rare, so that a test of their absence means something.
	switch d := n.r.IntN(1000); {
	case h.named:
	case d < 3 && age >= 18:
		v["hiv"] = map[string]any{"code": fmt.Sprintf("MAU-H-%d", h.seq)}
	case d < 30 && h.female && age >= 18 && age < 50:
		v["reproductive"] = map[string]any{"followed_at": h.current.Province + "-MAU"}
	case d < 35:
		v["genetic"] = map[string]any{"test": "thalassemia", "result": one(n, "âm tính", "mang gen")}
	}
	c.Record("health", h.id, 0, v)
}

func (c *chunk) education(n *nation, h *human) {
	age := h.age()
	v := registry.Values{}
	switch {
	case age >= 6 && age < 18:
		grade := min(12, age-5)
		school := "Trường THPT "
		switch {
		case grade <= 5:
			school = "Trường Tiểu học "
		case grade <= 9:
			school = "Trường THCS "
		}
		v["school"], v["grade"] = school+communes.pick(n.r), fmt.Sprintf("%d%c", grade, 'A'+rune(n.r.IntN(5)))
		v["transcript"] = map[string]any{"2025-2026": one(n, "Tốt", "Khá", "Đạt")}
		if n.percent(3) {
			v["special_needs"] = map[string]any{"form": "học hòa nhập", "kind": one(n, "vận động", "nghe nói", "nhìn")}
		}
	case age >= 18 && age < 23 && n.some(h, 45):
		v["school"], v["grade"] = "Trường Đại học Mẫu", fmt.Sprintf("K%d", h.birth.Year()+18-1955)
		v["exam_scores"] = scores(n)
	case age >= 22 && n.some(h, 40):
		v["degree_no"], v["degree_level"] = fmt.Sprintf("MAU-%d-%07d", min(h.birth.Year()+22, today.Year()), h.seq), one(
			n, "đại học", "đại học", "cao đẳng", "trung cấp", "thạc sĩ",
		)
		v["degree_valid"], v["exam_scores"] = !n.percent(1) || h.named, scores(n)
	default:
		return
	}
	c.Record("education", h.id, 0, v)
}

func scores(n *nation) map[string]any {
	score := func() string { return fmt.Sprintf("%.1f", 4+float64(n.r.IntN(61))/10) }
	return map[string]any{"toan": score(), "van": score(), "anh": score()}
}
