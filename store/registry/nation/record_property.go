package nation

import (
	"fmt"

	"hopnhat/store/registry"
)

func (c *chunk) land(n *nation, h *human) {
	parcels := 0
	if n.some(h, min(60, h.age())) {
		parcels = 1 + n.r.IntN(5)/3
	}
	if h.named {
		parcels = max(2, parcels)
	}
	for i := range parcels {
		at := h.permanent
		if i > 0 && !h.named {
			at = n.place().version(h.legacy)
		}
		owners := []any{ref(h)}
		if h.spouse != nil && h.spouse.alive() && n.percent(70) {
			owners = append(owners, ref(h.spouse))
		}
		use := one(n, "ODT", "ONT", "LUC", "CLN")
		area := float64(n.between(300, 2500)) / 10
		if use == "LUC" || use == "CLN" {
			area *= 10
		}
		c.Record("land", h.id, i, registry.Values{
			"parcel_id":      fmt.Sprintf("%s-%05d-%02d-%03d", at.Province, n.r.IntN(100_000), 1+n.r.IntN(99), 1+n.r.IntN(999)),
			"certificate_no": fmt.Sprintf("MAU %07d", h.seq*3+i), "area": fmt.Sprintf("%.1f", area), "use_purpose": use, "owners": owners,
			"address":     at,
			"encumbrance": one(n, "không", "không", "không", "không", "đang thế chấp", "kê biên"), "has_home": use == "ODT" || use == "ONT",
		})
	}
}

func (c *chunk) driving(n *nation, h *human) {
	if h.age() > 80 || !n.some(h, 60) {
		return
	}
	valid := today.AddDate(0, n.between(-12, 110), n.r.IntN(28))
	points, violations := 12, []any{}
	for n.percent(14) && points > 0 {
		cost := one(n, 2, 2, 4, 6)
		points = max(0, points-cost)
		violations = append(violations, map[string]any{"date": dateText(n.day(2025, 2026)), "points": cost, "what": one(n, "vượt đèn đỏ", "quá tốc độ", "nồng độ cồn")})
	}
	v := registry.Values{
		"licence_no": fmt.Sprintf("99%010d", h.seq), "classes": [][]string{{"A1"}, {"A1", "B"}, {"A", "B"}, {"A1", "C1"}}[n.r.IntN(4)],
		"valid_until": dateText(valid), "valid_now": valid.After(today) && points > 0, "points": points, "violations": violations,
		"issue_place": "Phòng Cảnh sát giao thông " + h.current.Name,
	}
	if points == 0 {
		v["suspension"] = map[string]any{"from": dateText(today.AddDate(0, -1, 0)), "to": dateText(today.AddDate(0, 5, 0))}
	}
	c.Record("driving", h.id, 0, v)
}

func (c *chunk) vehicle(n *nation, h *human) {
	if !n.some(h, 55) {
		return
	}
	for i := range 1 + n.r.IntN(4)/3 {
		c.vehicleOf(n, h.id, ref(h), i, h.seq)
	}
}

// vehicleOf writes the vehicle of a person, or of an organisation, whose owner
// link is null.
func (c *chunk) vehicleOf(n *nation, subject string, owner any, i, serial int) {
	registered := n.day(2008, 2026)
	c.Record("vehicle", subject, i, registry.Values{
		"plate": fmt.Sprintf("99%c%d-%03d.%02d", 'A'+rune(serial/100_000%24), 1+i, serial/100%1000, serial%100), "owner": owner,
		"make_model": one(n, "MẪU XE 1.5", "MẪU XE ĐIỆN 3", "XE MÁY MẪU 110", "XE MÁY MẪU 150"),
		"chassis_no": fmt.Sprintf("MAU%d%013d", i, serial),
		"engine_no":  fmt.Sprintf("MAUENG%d%08d", i, serial), "registered_on": dateText(registered),
		"inspection_until": dateText(today.AddDate(0, n.between(-3, 24), n.r.IntN(28))),
		"encumbrance":      one(n, "không", "không", "không", "không", "đang thế chấp"),
	})
}
