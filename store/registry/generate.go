package registry

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// today is the day the synthetic nation is drawn for. It is fixed, so that a seed
// always makes the same nation.
var today = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// human is a person being generated.
type human struct {
	seq      int
	id       string
	number   string
	old      string // cancelled predecessor
	name     string
	female   bool
	birth    time.Time
	yearOnly bool
	dead     time.Time
	foreign  string // country, for foreigners
	spouse   *human
	married  time.Time
	mother   *human
	father   *human
	children []*human
	home     address
	legacy   bool
}

func (h *human) age() int {
	years := today.Year() - h.birth.Year()
	if today.YearDay() < h.birth.YearDay() {
		years--
	}
	return years
}

func (h *human) alive() bool { return h.dead.IsZero() }
func (h *human) adult() bool { return h.age() >= 18 }
func (h *human) birthText() string {
	if h.yearOnly {
		return fmt.Sprint(h.birth.Year())
	}
	return h.birth.Format(time.DateOnly)
}

// address is where somebody lives, with the version of the list its codes are of.
type address struct {
	Line     string `json:"line,omitempty"`
	Commune  string `json:"commune"`
	District string `json:"district,omitempty"`
	Province string `json:"province"`
	Name     string `json:"province_name"`
	List     string `json:"list"`
}

// nation draws households one after the other.
type nation struct {
	seed    int64
	r       *rand.Rand
	seq     int
	serials map[string]int
	orgs    int
}

// ident makes an id from what it is for: the same seed, the same id.
func (n *nation) ident(kind string, number int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "hopnhat nation %d %s %d", n.seed, kind, number))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of version 8, RFC 9562 §5.8
	return uuid.UUID(sum[:16]).String()
}

// numberFor gives a free number that fits sex and birth year.
func (n *nation) numberFor(female bool, year int) string {
	key := fmt.Sprint(female, year)
	n.serials[key]++
	return personalNumber(female, year, 1000+n.serials[key]*7919%999_000)
}

func (n *nation) human(female bool, birth time.Time) *human {
	h := &human{seq: n.seq, id: n.ident("person", n.seq), female: female, birth: birth}
	n.seq++
	h.number = n.numberFor(female, birth.Year())
	if n.r.IntN(100) == 0 { // a corrected birth year re-issued the number
		h.old = n.numberFor(female, birth.Year()-1)
	}
	age := h.age()
	h.yearOnly = age > 55 && n.r.IntN(12) == 0
	h.legacy = age > 30 && n.r.IntN(4) == 0
	if age > 60 && n.r.IntN(100) < (age-55)*2 || n.r.IntN(300) == 0 {
		span := int(today.Sub(birth).Hours()/24) - 1
		h.dead = birth.AddDate(0, 0, span-n.r.IntN(min(span, 3650)))
	}
	return h
}

func (n *nation) day(from, to int) time.Time {
	year := from + n.r.IntN(to-from+1)
	if year%4 == 0 && n.r.IntN(200) == 0 {
		return time.Date(year, 2, 29, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(year, 1, 1+n.r.IntN(365), 0, 0, 0, 0, time.UTC)
}

func (n *nation) address(legacy bool) address {
	line := fmt.Sprintf("Số %d, đường %s", 1+n.r.IntN(400), streets.pick(n.r))
	if legacy {
		p := provinces.Legacy[n.r.IntN(len(provinces.Legacy))]
		return address{line, "Xã " + communes.pick(n.r), "Huyện " + communes.pick(n.r), p.Code, p.Name, "2025-06-30"}
	}
	p := provinces.Current[n.r.IntN(len(provinces.Current))]
	kind := "Xã "
	if n.r.IntN(3) == 0 {
		kind = "Phường "
	}
	return address{line, kind + communes.pick(n.r), "", p.Code, p.FullName, "2025-07-01"}
}

// household is a couple or a single person with children, or a foreigner.
func (n *nation) household() []*human {
	if n.r.IntN(60) == 0 {
		f := foreign[n.r.IntN(len(foreign))]
		h := n.human(n.r.IntN(2) == 0, n.day(1960, 2000))
		h.name, h.foreign, h.home, h.yearOnly, h.legacy, h.dead = f.name, f.country, n.address(false), false, false, time.Time{}
		return []*human{h}
	}
	family := familyNames.pick(n.r)
	father := n.human(false, n.day(1940, 2003))
	father.name = fullName(n.r, family, false)
	members := []*human{father}
	home := n.address(father.legacy)
	father.home = home
	if father.age() < 24 || n.r.IntN(6) == 0 {
		return members
	}
	mother := n.human(true, n.day(father.birth.Year()-3, min(father.birth.Year()+6, 2005)))
	mother.name, mother.home = fullName(n.r, familyNames.pick(n.r), true), home
	members = append(members, mother)
	youngest := max(father.birth.Year(), mother.birth.Year()) + 18
	married := youngest + n.r.IntN(6)
	if married < today.Year() {
		father.spouse, mother.spouse = mother, father
		father.married = time.Date(married, time.Month(1+n.r.IntN(12)), 1+n.r.IntN(28), 0, 0, 0, 0, time.UTC)
		mother.married = father.married
	}
	for range n.r.IntN(4) {
		first := max(father.birth.Year(), mother.birth.Year()) + 19
		last := min(mother.birth.Year()+44, today.Year()-1)
		if first > last {
			break
		}
		child := n.human(n.r.IntN(2) == 0, n.day(first, last))
		if child.birth.After(today) {
			child.birth = today.AddDate(0, -3, 0)
		}
		child.name, child.home = fullName(n.r, family, child.female), home
		child.father, child.mother, child.legacy = father, mother, father.legacy
		// Parents were alive when the child was born.
		for _, parent := range []*human{father, mother} {
			if !parent.dead.IsZero() && parent.dead.Before(child.birth) {
				parent.dead = time.Time{}
			}
			parent.children = append(parent.children, child)
		}
		members = append(members, child)
	}
	return members
}

// named are the synthetic persons that documentation and tests speak of.
func (n *nation) named() []*human {
	date := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	list := []*human{
		{number: "099304000017", name: "Trần Thị Mẫu An", female: true, birth: date(2004, 2, 29)},
		{number: "099078000112", name: "Lê Văn Mẫu Bình", birth: date(1978, 1, 1), yearOnly: true},
		{number: "099180000305", name: "Phạm Thị Mẫu Chi", female: true, birth: date(1980, 11, 5)},
		{number: "099317000009", name: "Trần Ngọc Mẫu Dương", female: true, birth: date(2017, 6, 1)},
	}
	for _, h := range list {
		h.seq, h.id = n.seq, n.ident("person", n.seq)
		h.home = address{"Số 1, đường Mẫu", "Phường Hải Châu", "", "48", "Thành phố Đà Nẵng", "2025-07-01"}
		n.seq++
	}
	list[3].mother = list[2]
	list[2].children = []*human{list[3]}
	return list
}

// generate draws the nation and writes it chunk by chunk; memory stays flat.
func generate(ctx context.Context, s sink, o Options) (organisations int, err error) {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], uint64(o.Seed))
	n := &nation{seed: o.Seed, r: rand.New(rand.NewChaCha8(key)), serials: map[string]int{}}
	c := newChunk()
	c.add(n, n.named())
	c.namedOrganisations(n)
	for n.seq < o.Persons {
		if err := ctx.Err(); err != nil {
			return n.orgs, err
		}
		members := n.household()
		if over := n.seq - o.Persons; over > 0 {
			members = members[:1] // the last household is cut to the number asked for
			members[0].spouse, members[0].children = nil, nil
			n.seq = o.Persons
		}
		c.add(n, members)
		if c.persons >= 2000 {
			if err := c.flush(ctx, s); err != nil {
				return n.orgs, err
			}
			if o.Progress != nil {
				o.Progress(n.seq, o.Persons)
			}
		}
	}
	if err := c.flush(ctx, s); err != nil {
		return n.orgs, err
	}
	if o.Progress != nil {
		o.Progress(o.Persons, o.Persons)
	}
	return n.orgs, nil
}

// legacyForm is how some old records were typed: decomposed.
func legacyForm(h *human, text string) string {
	if h.legacy && h.seq%5 == 0 {
		return norm.NFD.String(text)
	}
	return text
}
