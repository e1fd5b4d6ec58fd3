package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// chunk gathers rows by table until they are written.
type chunk struct {
	rows    map[string][]row
	persons int
}

func newChunk() *chunk { return &chunk{rows: map[string][]row{}} }

func (c *chunk) put(table string, r ...any) { c.rows[table] = append(c.rows[table], r) }

// record adds a row of a register; attributes that are missing are null.
func (c *chunk) record(register string, index int, subject string, values map[string]any) {
	r := byID[register]
	out := row{index, subject}
	for _, a := range r.Attributes {
		v, ok := values[a.column()]
		if !ok || v == nil {
			out = append(out, nil)
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			panic("registry: a generated value cannot be encoded: " + err.Error())
		}
		out = append(out, string(raw))
	}
	c.rows[r.table()] = append(c.rows[r.table()], out)
}

func (c *chunk) flush(ctx context.Context, s sink) error {
	for _, table := range slices.Sorted(maps.Keys(c.rows)) {
		columns := baseTables[table]
		if columns == nil {
			columns = []string{"id", "subject"}
			for _, a := range byID[table[len("reg_"):]].Attributes {
				columns = append(columns, a.column())
			}
		}
		if err := s.write(ctx, table, columns, c.rows[table]); err != nil {
			return fmt.Errorf("writing %s: %w", table, err)
		}
	}
	c.rows, c.persons = map[string][]row{}, 0
	return nil
}

// add writes a household: persons, numbers, family, registers, and now and then
// an organisation that an adult of it represents.
func (c *chunk) add(n *nation, members []*human) {
	for _, h := range members {
		c.persons++
		kind, numberKind := "citizen", "pin"
		if h.foreign != "" {
			kind, numberKind = "foreigner", "foreigner"
		}
		c.put("persons", h.id, h.seq, legacyForm(h, h.name), h.birthText(), h.female, h.alive(), kind)
		issued := max(h.birth.Year(), 2016)
		c.put("identifiers", h.number, numberKind, h.id, fmt.Sprintf("%d-01-01", issued), nil, "active")
		if h.old != "" {
			c.put("identifiers", h.old, numberKind, h.id, fmt.Sprintf("%d-01-01", issued-1), fmt.Sprintf("%d-01-01", issued), "cancelled")
		}
		if h.spouse != nil {
			c.put("family", h.id, "vợ/chồng", h.spouse.id)
		}
		if h.mother != nil {
			c.put("family", h.id, "mẹ", h.mother.id)
			c.put("family", h.mother.id, "con", h.id)
		}
		if h.father != nil {
			c.put("family", h.id, "cha", h.father.id)
			c.put("family", h.father.id, "con", h.id)
		}
		c.registers(n, h)
		if n.seq/10 > n.orgs && h.adult() && h.alive() && h.seq > 3 {
			c.organisation(n, enterpriseCode(100+n.orgs), fmt.Sprintf("Công ty TNHH %s %s", communes.pick(n.r), givenMen.pick(n.r)), h)
		}
	}
}

func (c *chunk) namedOrganisations(n *nation) {
	binh := &human{id: n.ident("person", 1), home: address{"Số 1, đường Mẫu", "Phường Sài Gòn", "", "79", "Thành phố Hồ Chí Minh", "2025-07-01"}}
	chi := &human{id: n.ident("person", 2), home: binh.home}
	c.organisation(n, "9900000016", "Công ty TNHH Mẫu Thử", binh)
	c.organisation(n, "9900000023", "Công ty Cổ phần Hai Đại Diện Mẫu", binh, chi)
}

func (c *chunk) organisation(n *nation, code, name string, representatives ...*human) {
	id := n.ident("organisation", n.orgs)
	n.orgs++
	c.put("organisations", id, code, name)
	var reps, members []any
	for _, h := range representatives {
		c.put("representatives", id, h.id, "Người đại diện theo pháp luật", "2021-03-15", nil)
		reps = append(reps, map[string]any{"ref": personRef + h.id, "title": "Giám đốc", "scope": "một mình ký"})
		members = append(members, map[string]any{"ref": personRef + h.id, "share": fmt.Sprintf("%.2f", 1/float64(len(representatives)))})
	}
	c.record("business", 0, id, map[string]any{
		"enterprise_code": code, "branch_code": code + "-001", "name": name, "status": "đang hoạt động", "legal_reps": reps,
		"head_office": representatives[0].home, "charter_capital": fmt.Sprint(int64(1+n.r.IntN(90)) * 100_000_000), "members": members,
		"beneficial_owner": []any{map[string]any{"ref": personRef + representatives[0].id}}, "founded": "2021-03-15",
	})
	c.record("tax", 0, id, map[string]any{
		"tax_code": code, "taxpayer_status": "00", "annual_income": "0", "income_band": "C", "arrears": "0", "no_arrears": true,
		"dependents": []any{}, "invoices_total": fmt.Sprint(int64(n.r.IntN(9000)) * 1_000_000),
	})
}

func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.DateOnly)
}

func ref(h *human) any {
	if h == nil {
		return nil
	}
	return personRef + h.id
}
