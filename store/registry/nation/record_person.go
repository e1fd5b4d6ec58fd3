package nation

import (
	"fmt"
	"time"

	"hopnhat/store/registry"
)

func (c *chunk) population(n *nation, h *human) {
	sex := "nam"
	if h.female {
		sex = "nữ"
	}
	links := []any{}
	for _, l := range h.links() {
		links = append(links, map[string]any{"relation": l.relation, "ref": ref(l.other)})
	}
	v := registry.Values{
		"full_name": h.recorded(h.name), "birth_date": h.birthText(), "age_over": h.adult(), "sex": sex,
		"permanent_address": h.permanent, "current_address": h.current, "portrait": fmt.Sprintf("ref:portrait/%d", h.seq),
		"family_links": links, "life_status": h.life(), "updated_on": dateText(h.updated()),
	}
	if h.citizen() {
		v["pin"], v["ethnicity"], v["religion"] = h.number(), h.ethnicity, h.religion
	}
	c.Record("population", h.id, 0, v)
}

// updated is when a record changed last: with a marriage or a death, or when it was
// cleaned in the years before.
func (h *human) updated() time.Time {
	latest := later(time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC), h.seq*37%1500)
	for _, t := range []time.Time{h.birth, h.married, h.dead} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

func (c *chunk) civil(n *nation, h *human) {
	status := "độc thân"
	switch {
	case h.divorced:
		status = "đã ly hôn"
	case h.spouse != nil && !h.spouse.dead.IsZero():
		status = "góa"
	case h.spouse != nil:
		status = "đã kết hôn"
	}
	v := registry.Values{
		"birth_cert_no": fmt.Sprintf("MAU-%d/%d", h.seq+1, h.birth.Year()), "birth_place": h.birthPlace, "marital_status": status,
		"marriage_date": date(h.married), "spouse": ref(h.spouse), "death_date": date(h.dead), "guardian": ref(h.guardian),
	}
	if h.adopted {
		v["adoption"] = map[string]any{"adopted": true, "decision": fmt.Sprintf("MAU-NCN-%d", h.seq), "date": dateText(later(h.birth, 400))}
	}
	if h.father != nil && h.father.married.IsZero() {
		v["paternity"] = map[string]any{"recognised_by": ref(h.father), "date": dateText(later(h.birth, 45))}
	}
	c.Record("civil", h.id, 0, v)
}

// later is so many days after, but not after today.
func later(t time.Time, days int) time.Time {
	t = t.AddDate(0, 0, days)
	if t.After(today) {
		return today
	}
	return t
}

func (c *chunk) immigration(n *nation, h *human) {
	if h.citizen() {
		if h.age() < 14 || !n.some(h, 22) {
			return
		}
		entries := []any{}
		for range n.r.IntN(3) {
			out := n.day(2023, 2026)
			entries = append(entries, map[string]any{"out": dateText(out), "in": dateText(later(out, 3+n.r.IntN(20))), "gate": one(n, "Nội Bài", "Tân Sơn Nhất", "Mộc Bài", "Hữu Nghị")})
		}
		c.Record(
			"immigration", h.id, 0, registry.Values{"passport_no": fmt.Sprintf("P99%06d", h.seq), "nationality": "VNM", "entries": entries},
		)
		return
	}
	card, stay := one(n, "TRC", "TRC", "TRC", "PRC"), n.between(-90, 900) // some stays have run out
	until := dateText(today.AddDate(0, 0, stay))
	entered := n.day(2019, 2025)
	v := registry.Values{
		"foreigner_id": h.number(), "passport_no": fmt.Sprintf("%c%08d", h.country[0], h.seq), "nationality": h.country,
		"residence_card": map[string]any{"type": card, "until": until}, "stay_until": until,
		"entries":   []any{map[string]any{"in": dateText(entered), "gate": one(n, "Nội Bài", "Tân Sơn Nhất", "Đà Nẵng")}},
		"visa_type": one(n, "LĐ1", "LĐ2", "ĐT3", "TT", "DH"),
	}
	if n.percent(55) {
		v["work_permit"] = map[string]any{"no": fmt.Sprintf("MAU-WP-%d", h.seq), "employer": n.employer(), "until": until}
	}
	c.Record("immigration", h.id, 0, v)
}

func (c *chunk) judicial(n *nation, h *human) {
	convicted := !h.named && n.r.IntN(120) == 0
	if !convicted && !n.some(h, 18) {
		return
	}
	issued := n.day(2025, 2026)
	v := registry.Values{
		"record_exists": convicted, "convictions": []any{}, "spent": []any{}, "prohibitions": []any{},
		"certificate_no": fmt.Sprintf("MAU-LLTP-%d", h.seq+1), "issued_on": dateText(issued),
	}
	if convicted {
		sentence := map[string]any{"court": "Tòa án nhân dân khu vực mẫu", "date": dateText(n.day(2015, 2024)), "sentence": fmt.Sprintf("%d tháng cải tạo không giam giữ", 6*n.between(1, 4))}
		if n.percent(40) {
			v["record_exists"], v["spent"] = false, []any{sentence}
		} else {
			v["convictions"] = []any{sentence}
			if n.percent(30) {
				v["prohibitions"] = []any{map[string]any{"office": "quản lý doanh nghiệp", "until": dateText(today.AddDate(0, n.between(1, 36), 0))}}
			}
		}
		if n.percent(20) {
			v["exit_ban"] = map[string]any{"reason": "thi hành án", "until": dateText(today.AddDate(0, n.between(1, 24), 0))}
		}
		if n.percent(10) {
			v["warrant"] = map[string]any{"no": fmt.Sprintf("MAU-TN-%d", h.seq)}
		}
	}
	c.Record("judicial", h.id, 0, v)
}
