package registry

import (
	"context"
	"fmt"
	"time"
)

// chunk gathers rows by table until they are written.
type chunk struct {
	rows    map[*table][][]any
	persons int
	done    int // persons drawn when the chunk was full
}

func newChunk() *chunk { return &chunk{rows: map[*table][][]any{}} }

func (c *chunk) put(t *table, row ...any) { c.rows[t] = append(c.rows[t], row) }

// values of a register's row by column.
type values map[string]any

// record adds a row of a register; attributes that are missing are null.
func (c *chunk) record(register, subject string, row int, v values) {
	r := byID[register]
	out := make([]any, 2, 2+len(r.Attributes))
	out[0], out[1] = subject, row
	used := 0
	for _, a := range r.Attributes {
		value, ok := v[a.column()]
		if ok {
			used++
		}
		out = append(out, a.kind.encode(value))
	}
	if used != len(v) {
		panic(fmt.Sprintf("registry: a value was generated for an attribute that register %s does not have", register))
	}
	t := registerTables[register]
	c.rows[t] = append(c.rows[t], out)
}

// flush writes the tables in one order, always.
func (c *chunk) flush(ctx context.Context, s sink) error {
	for _, t := range tables() {
		if len(c.rows[t]) == 0 {
			continue
		}
		if err := s.write(ctx, t, c.rows[t]); err != nil {
			return fmt.Errorf("writing %s: %w", t.name, err)
		}
	}
	return nil
}

// family writes a clan: persons, numbers, links, registers, and then the
// organisations that have become due, one for ten persons.
func (c *chunk) family(n *nation, members []*human) {
	for _, h := range members {
		c.person(n, h)
		n.remember(h)
	}
	for n.seq/10 > n.orgs && len(n.adults) > 3 {
		c.newOrganisation(n)
	}
}

func (c *chunk) person(n *nation, h *human) {
	c.persons++
	kind := "citizen"
	if !h.citizen() {
		kind = "foreigner"
	}
	var guardian any
	if h.guardian != nil {
		guardian = h.guardian.id
	}
	c.put(personTable, h.id, h.seq, h.recorded(h.name), h.birthText(), h.female, h.life(), date(h.dead), kind, guardian)
	c.identifiers(h)
	for _, l := range h.links() {
		c.put(familyTable, h.id, l.relation, l.other.id)
	}
	c.registers(n, h)
}

// identifiers writes the chain of numbers: all but the last are cancelled and
// name their successor.
func (c *chunk) identifiers(h *human) {
	kind, from := PIN, time.Date(max(h.birth.Year(), 2016), 1, 1, 0, 0, 0, 0, time.UTC)
	if h.birth.After(from) {
		from = h.birth
	}
	if !h.citizen() {
		kind, from = Foreigner, time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	}
	for i, number := range h.numbers {
		if i == len(h.numbers)-1 {
			c.put(identifierTable, h.id, string(kind), number, i, date(from), nil, "active", nil)
			break
		}
		to := from.AddDate(0, 4+h.seq%5, h.seq%27)
		if !to.Before(today) {
			to = today
		}
		c.put(identifierTable, h.id, string(kind), number, i, date(from), date(to), "cancelled", h.numbers[i+1])
		from = to
	}
	if h.oldCard != "" {
		issued := time.Date(h.birth.Year()+15, 6, 1, 0, 0, 0, 0, time.UTC)
		c.put(identifierTable, h.id, string(OldCard), h.oldCard, 0, date(issued), "2024-12-31", "cancelled", nil)
	}
}

// link is a family link as the registers hold it.
type link struct {
	relation string
	other    *human
}

func (h *human) links() []link {
	var links []link
	for _, l := range []link{{"mẹ", h.mother}, {"cha", h.father}, {"vợ/chồng", h.spouse}} {
		if l.other != nil {
			links = append(links, l)
		}
	}
	for _, child := range h.children {
		links = append(links, link{"con", child})
	}
	return links
}

// registers writes what a person has in the registers: how much, follows age and
// chance. The named persons have all that their age allows.
func (c *chunk) registers(n *nation, h *human) {
	c.population(n, h)
	if !h.citizen() {
		c.immigration(n, h)
		c.tax(n, h)
		c.insurance(n, h)
		c.health(n, h)
		return
	}
	c.civil(n, h)
	if h.adult() {
		c.land(n, h) // of the dead too, until it is inherited
	}
	if !h.alive() {
		return
	}
	c.health(n, h)
	c.education(n, h)
	c.insurance(n, h)
	c.protection(n, h)
	c.immigration(n, h)
	if h.adult() {
		c.tax(n, h)
		c.driving(n, h)
		c.vehicle(n, h)
		c.cadre(n, h)
		c.judicial(n, h)
	}
}

// some is true for so many of a hundred, and for every named person.
func (n *nation) some(h *human, percent int) bool { return n.percent(percent) || h.named }

// date is a date column, nil for the zero time.
func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.DateOnly)
}

func dateText(t time.Time) string { return t.Format(time.DateOnly) }

// ref is a link inside a value; the reader gets a pseudonym in its place.
func ref(h *human) any {
	if h == nil {
		return nil
	}
	return personRef + h.id
}

// one picks an element.
func one[T any](n *nation, list ...T) T { return list[n.r.IntN(len(list))] }
