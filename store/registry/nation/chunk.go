package nation

import (
	"time"

	"hopnhat/authz"
	"hopnhat/store/registry"
)

// chunk gathers the rows of some persons until they are written.
type chunk struct {
	*registry.Batch
	persons int
	done    int // persons drawn when the chunk was full
}

func newChunk() *chunk { return &chunk{Batch: registry.NewBatch()} }

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
	kind := authz.Citizen
	if !h.citizen() {
		kind = authz.ForeignResident
	}
	var guardian any
	if h.guardian != nil {
		guardian = h.guardian.id
	}
	c.Put(registry.Persons, h.id, h.seq, h.recorded(h.name), h.birthText(), h.female, h.life(), date(h.dead), string(kind), guardian)
	c.identifiers(h)
	for _, l := range h.links() {
		c.Put(registry.Family, h.id, l.relation, l.other.id)
	}
	c.registers(n, h)
}

// identifiers writes the chain of numbers: all but the last are cancelled and
// name their successor.
func (c *chunk) identifiers(h *human) {
	kind, from := registry.PIN, time.Date(max(h.birth.Year(), 2016), 1, 1, 0, 0, 0, 0, time.UTC)
	if h.birth.After(from) {
		from = h.birth
	}
	if !h.citizen() {
		kind, from = registry.Foreigner, time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	}
	for i, number := range h.numbers {
		if i == len(h.numbers)-1 {
			c.Put(registry.Identifiers, h.id, string(kind), number, i, date(from), nil, "active", nil)
			break
		}
		to := from.AddDate(0, 4+h.seq%5, h.seq%27)
		if !to.Before(today) {
			to = today
		}
		c.Put(registry.Identifiers, h.id, string(kind), number, i, date(from), date(to), "cancelled", h.numbers[i+1])
		from = to
	}
	if h.oldCard != "" {
		issued := time.Date(h.birth.Year()+15, 6, 1, 0, 0, 0, 0, time.UTC)
		c.Put(registry.Identifiers, h.id, string(registry.OldCard), h.oldCard, 0, date(issued), "2024-12-31", "cancelled", nil)
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
	return registry.PersonRef + h.id
}

// one picks an element.
func one[T any](n *nation, list ...T) T { return list[n.r.IntN(len(list))] }
