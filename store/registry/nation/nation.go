package nation

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"hopnhat/store/registry"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// GeneratorVersion changes when the same seed makes other rows.
const GeneratorVersion = 3

// MinPersons and MaxPersons bound a nation.
const (
	MinPersons = 20
	MaxPersons = 2_000_000
)

// Options says which nation to generate.
type Options struct {
	Persons int
	Seed    int64
	// Reset drops what is there first.
	Reset bool
	// Progress is told how many persons are written, from time to time.
	Progress func(done, total int)
}

// Generate fills a database with a synthetic nation. The same seed and number make the
// same rows, in either database. See [registry.DB.Replace] for what it refuses.
func Generate(ctx context.Context, db *registry.DB, o Options) error {
	if o.Persons < MinPersons || o.Persons > MaxPersons {
		return fmt.Errorf("%d persons: the number of persons must be %d to %d", o.Persons, MinPersons, MaxPersons)
	}
	source := registry.Source{Generator: GeneratorVersion, Seed: o.Seed, Persons: o.Persons, Reset: o.Reset}
	return db.Replace(ctx, source, func(ctx context.Context, s registry.Sink) (int, error) { return generate(ctx, s, o) })
}

// today is the day the synthetic nation is drawn for. It is fixed, so that a seed
// always makes the same nation; ages and predicates in the records are of it.
var today = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// human is a person being generated.
type human struct {
	seq       int
	id        string
	numbers   []string // cancelled predecessors first, the one in force last
	oldCard   string   // 9-digit number of before, for those old enough
	name      string
	female    bool
	birth     time.Time
	yearOnly  bool // an old record that holds the year of birth alone
	dead      time.Time
	missing   bool
	country   string // ISO 3166 alpha-3 of a foreigner, empty for a citizen
	ethnicity string
	religion  string

	mother, father *human
	spouse         *human // the present one, or the last if widowed
	divorced       bool
	married        time.Time
	children       []*human
	guardian       *human
	adopted        bool

	birthPlace, permanent, current address
	legacy                         bool // the records were typed before 2025-07 and never renewed
	named                          bool
}

func (h *human) number() string { return h.numbers[len(h.numbers)-1] }

// ageAt is the age in whole years; somebody born on 29 February turns older on
// 1 March in other years (Civil Code Art. 148).
func (h *human) ageAt(day time.Time) int {
	years := day.Year() - h.birth.Year()
	if day.Month() < h.birth.Month() || day.Month() == h.birth.Month() && day.Day() < h.birth.Day() {
		years--
	}
	return years
}

func (h *human) age() int      { return h.ageAt(today) }
func (h *human) alive() bool   { return h.dead.IsZero() && !h.missing }
func (h *human) adult() bool   { return h.age() >= 18 }
func (h *human) citizen() bool { return h.country == "" }

func (h *human) birthText() string {
	if h.yearOnly {
		return strconv.Itoa(h.birth.Year())
	}
	return h.birth.Format(time.DateOnly)
}

func (h *human) life() string {
	switch {
	case !h.dead.IsZero():
		return registry.LifeDead
	case h.missing:
		return registry.LifeMissing
	}
	return registry.LifeAlive
}

// aliveThrough says that the person lived through the whole year.
func (h *human) aliveThrough(year int) bool { return h.dead.IsZero() || h.dead.Year() > year }

// nation draws one family after the other.
type nation struct {
	seed    int64
	persons int
	r       *rand.Rand
	seq     int
	serials map[numberSeries]int
	orgs    int
	// adults and codes remember some of those drawn lately: representatives and
	// employers come from them, so memory stays flat.
	adults []*human
	codes  []string
}

// numberSeries is what personal numbers share: sex and year.
type numberSeries struct {
	female bool
	year   int
}

func newNation(seed int64, persons int) *nation {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], uint64(seed))
	return &nation{seed: seed, persons: persons, r: rand.New(rand.NewChaCha8(key)), serials: map[numberSeries]int{}, codes: []string{"9900000016"}}
}

// room says how many persons are still to be drawn.
func (n *nation) room() int { return n.persons - n.seq }

// percent is true in so many of a hundred cases.
func (n *nation) percent(p int) bool { return n.r.IntN(100) < p }

// between draws from the closed range.
func (n *nation) between(from, to int) int { return from + n.r.IntN(to-from+1) }

// ident makes an id from what it is for: the same seed, the same id.
func (n *nation) ident(kind string, number int) string {
	text := make([]byte, 0, 64)
	text = append(append(text, "hopnhat nation "...), strconv.FormatInt(n.seed, 10)...)
	text = append(append(append(text, ' '), kind...), ' ')
	text = strconv.AppendInt(text, int64(number), 10)
	sum := sha256.Sum256(text)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of version 8, RFC 9562 §5.8
	return uuid.UUID(sum[:16]).String()
}

// numberFor gives a free personal number of a sex and birth year. Serials jump
// about, as real ones do; below 1000 they are kept for the named persons.
func (n *nation) numberFor(female bool, year int) string {
	s := numberSeries{female, year}
	n.serials[s]++
	return personalNumber(female, year, 1000+(n.serials[s]*611_953+year*77_773)%999_000)
}

// day draws a day of the years, 29 February more often than nature does, and
// never after today.
func (n *nation) day(from, to int) time.Time {
	year := n.between(from, to)
	d := time.Date(year, 1, 1+n.r.IntN(365), 0, 0, 0, 0, time.UTC)
	if year%4 == 0 && year%100 != 0 && n.r.IntN(100) == 0 {
		d = time.Date(year, 2, 29, 0, 0, 0, 0, time.UTC)
	}
	if !d.Before(today) {
		d = time.Date(today.Year(), 1, 1+n.r.IntN(today.YearDay()-1), 0, 0, 0, 0, time.UTC)
	}
	return d
}

// human draws a person with the numbers and the length of a life. Whoever must
// have lived in a year (a parent, a spouse) did.
func (n *nation) human(female bool, birth time.Time, livedIn int) *human {
	h := &human{seq: n.seq, id: n.ident("person", n.seq), female: female, birth: birth}
	n.seq++
	age := h.age()
	// A correction re-issues the number: the predecessor tells another birth year
	// or another sex, which is why it was cancelled. Twice happens.
	if age > 0 && n.r.IntN(80) == 0 {
		if n.r.IntN(8) == 0 {
			h.numbers = append(h.numbers, n.numberFor(female, birth.Year()-2))
		}
		if n.percent(70) {
			h.numbers = append(h.numbers, n.numberFor(female, birth.Year()-1))
		} else {
			h.numbers = append(h.numbers, n.numberFor(!female, birth.Year()))
		}
	}
	h.numbers = append(h.numbers, n.numberFor(female, birth.Year()))
	h.yearOnly = age > 55 && n.percent(9)
	h.legacy = age > 25 && n.percent(25)
	if birth.Year() < 1998 {
		h.oldCard = fmt.Sprintf("99%07d", h.seq)
	}
	if years := n.lifespan(); years < age {
		d := birth.AddDate(years, 0, 1+n.r.IntN(300))
		if d.Before(today) && d.Year() > livedIn {
			h.dead = d
		}
	}
	h.missing = h.dead.IsZero() && h.adult() && n.r.IntN(2500) == 0
	return h
}

// lifespan draws an age of death: most between 55 and 98, a few early.
func (n *nation) lifespan() int {
	if n.percent(3) {
		return n.r.IntN(55)
	}
	return 55 + (n.r.IntN(44)+n.r.IntN(44)+n.r.IntN(44))/3 + n.r.IntN(12)
}

// recorded is a text as the person's records hold it: some old ones were typed
// decomposed.
func (h *human) recorded(text string) string {
	if h.legacy && h.seq%4 == 0 {
		return norm.NFD.String(text)
	}
	return text
}

// remember keeps a grown-up in mind who may represent an organisation.
func (n *nation) remember(h *human) {
	if h.named || h.age() < 21 || !h.alive() || !h.citizen() {
		return
	}
	if len(n.adults) < 64 {
		n.adults = append(n.adults, h.bare())
		return
	}
	n.adults[h.seq%64] = h.bare()
}

// bare is what a mandate needs of a person, without the family, so that a family
// does not stay in memory.
func (h *human) bare() *human {
	return &human{seq: h.seq, id: h.id, name: h.name, birth: h.birth, numbers: h.numbers, current: h.current}
}

// employer is the code of some enterprise drawn lately.
func (n *nation) employer() string { return n.codes[n.r.IntN(len(n.codes))] }

// chunkPersons is how many persons are written at a time, and settleEvery how
// many are let go at a time.
const (
	chunkPersons = 2000
	settleEvery  = 10 * chunkPersons
)

// generate draws the nation and writes it chunk by chunk; one chunk is drawn
// while the one before is written, and memory stays flat.
func generate(ctx context.Context, s registry.Sink, o Options) (organisations int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := newNation(o.Seed, o.Persons)
	drawn := make(chan *chunk, 1)
	go func() {
		defer close(drawn)
		c := newChunk()
		c.namedOnes(n)
		for n.room() > 0 {
			c.family(n, n.clan())
			if c.persons < chunkPersons {
				continue
			}
			c.done = n.seq
			select {
			case drawn <- c:
			case <-ctx.Done():
				return
			}
			c = newChunk()
		}
		c.done = n.seq
		select {
		case drawn <- c:
		case <-ctx.Done():
		}
	}()
	settled := 0
	for c := range drawn {
		if err == nil {
			err = c.Flush(ctx, s)
		}
		if err == nil && c.done-settled >= settleEvery {
			settled = c.done
			err = s.Settle(ctx)
		}
		if err != nil {
			cancel() // and drain, so that the drawing ends before this does
			continue
		}
		if o.Progress != nil {
			o.Progress(c.done, o.Persons)
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return n.orgs, err
}
