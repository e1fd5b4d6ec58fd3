package nation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hopnhat/store/registry"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// tray keeps a nation in memory: the rows as a database would get them.
type tray struct {
	rows map[*registry.Table][][]any
	hash [32]byte
}

func (s *tray) Write(_ context.Context, t *registry.Table, rows [][]any) error {
	raw, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	s.hash = sha256.Sum256(append(append(s.hash[:], t.Name()...), raw...))
	s.rows[t] = append(s.rows[t], rows...)
	return nil
}
func (s *tray) Settle(context.Context) error { return nil }

func draw(t interface{ Fatal(...any) }, persons int, seed int64) *tray {
	s := &tray{rows: map[*registry.Table][][]any{}}
	if _, err := generate(context.Background(), s, Options{Persons: persons, Seed: seed}); err != nil {
		t.Fatal(err)
	}
	return s
}

// each gives the rows of a table by column name.
func (s *tray) each(t *registry.Table, visit func(row map[string]any)) {
	names := t.ColumnNames()
	for _, row := range s.rows[t] {
		m := make(map[string]any, len(row))
		for i, v := range row {
			m[names[i]] = v
		}
		visit(m)
	}
}

// census is what the checks know of the persons.
type census struct {
	persons map[string]map[string]any
	parents map[string][]string
}

type failer interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func TestEveryNationIsCoherent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		persons := rapid.IntRange(MinPersons, 300).Draw(t, "persons")
		checkNation(t, draw(t, persons, rapid.Int64().Draw(t, "seed")), persons)
	})
}

func TestALargeNationIsCoherentAndUsesEveryAttribute(t *testing.T) {
	const persons = 20_000
	s := draw(t, persons, 1)
	checkNation(t, s, persons)
	for _, r := range registry.Registers() {
		used := map[string]bool{}
		s.each(registry.TableOf(r.ID), func(row map[string]any) {
			for name, v := range row {
				used[name] = used[name] || v != nil
			}
		})
		for _, a := range r.Attributes {
			if !used[a.Column()] {
				t.Errorf("nobody of %d has a value for %s", persons, a.ID)
			}
		}
	}
	seen := map[string]int{}
	s.each(registry.Persons, func(p map[string]any) {
		name, birth := p["name"].(string), p["birth"].(string)
		for what, is := range map[string]bool{
			"the dead": p["life"] == registry.LifeDead, "the missing": p["life"] == registry.LifeMissing, "foreigners": p["kind"] == "foreigner",
			"children": birth > "2008-10-01", "a year of birth alone": len(birth) == 4, "29 February": strings.HasSuffix(birth, "-02-29"),
			"decomposed names": !norm.NFC.IsNormalString(name), "Hòa": strings.Contains(name, "Hòa"), "Hoà": strings.Contains(name, "Hoà"),
			"guardians": p["guardian"] != nil,
		} {
			if is {
				seen[what]++
			}
		}
	})
	s.each(registry.Identifiers, func(i map[string]any) {
		if i["successor"] != nil {
			seen["re-issued numbers"]++
		}
		if i["epoch"].(int) > 1 {
			seen["numbers re-issued twice"]++
		}
	})
	s.each(registry.Representatives, func(m map[string]any) {
		if m["valid_to"] != nil {
			seen["ended mandates"]++
		}
		if m["joint"].(bool) {
			seen["joint signatures"]++
		}
	})
	s.each(registry.TableOf("population"), func(p map[string]any) {
		if strings.Contains(p["permanent_address"].(string), LegacyList) {
			seen["legacy addresses"]++
		}
	})
	for _, what := range []string{
		"the dead", "the missing", "foreigners", "children", "a year of birth alone", "29 February", "decomposed names", "Hòa", "Hoà", "guardians",
		"re-issued numbers", "numbers re-issued twice", "ended mandates", "joint signatures", "legacy addresses",
	} {
		if seen[what] == 0 {
			t.Errorf("a nation of %d without %s", persons, what)
		}
	}
	t.Log(seen)
}

func checkNation(t failer, s *tray, persons int) {
	c := census{persons: map[string]map[string]any{}, parents: map[string][]string{}}
	seq := 0
	s.each(registry.Persons, func(p map[string]any) {
		if p["seq"] != seq {
			t.Fatalf("person %d has the number %v in the row", seq, p["seq"])
		}
		seq++
		if c.persons[p["id"].(string)] != nil {
			t.Fatal("two persons with one id")
		}
		c.persons[p["id"].(string)] = p
	})
	if len(c.persons) != persons {
		t.Fatalf("persons: got %d, want %d", len(c.persons), persons)
	}
	c.checkLives(t, s)
	c.checkFamilies(t, s)
	c.checkNumbers(t, s)
	c.checkMandates(t, s, persons)
	c.checkRegisters(t, s)
}

// mustDay reads a date; a year alone is its first day.
func mustDay(t failer, v any) time.Time {
	text, _ := v.(string)
	if len(text) == 4 {
		text += "-01-01"
	}
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal("a date column holds", v)
	}
	return d
}

// adultOn says that the person surely was 18 on a day.
func (c census) adultOn(t failer, id any, on time.Time) bool {
	birth := c.persons[id.(string)]["birth"].(string)
	d := mustDay(t, birth)
	if len(birth) == 4 {
		d = d.AddDate(1, 0, -1)
	}
	return !d.AddDate(18, 0, 0).After(on)
}

func (c census) checkLives(t failer, s *tray) {
	for id, p := range c.persons {
		birth := mustDay(t, p["birth"])
		if birth.After(today) || today.Sub(birth) > 125*366*24*time.Hour {
			t.Fatalf("%s was born on %v", id, birth)
		}
		if (p["died"] != nil) != (p["life"] == registry.LifeDead) {
			t.Fatalf("%s: %v, died %v", id, p["life"], p["died"])
		}
		if p["died"] != nil {
			if d := mustDay(t, p["died"]); d.Before(birth) || d.After(today) {
				t.Fatalf("%s, born %v, died %v", id, birth, d)
			}
		}
		if g := p["guardian"]; g != nil && (c.persons[g.(string)]["life"] != registry.LifeAlive || !c.adultOn(t, g, today)) {
			t.Fatalf("the guardian of %s is no living adult", id)
		}
		if norm.NFC.String(p["name"].(string)) == "" {
			t.Fatalf("%s has no name", id)
		}
	}
}

func (c census) checkFamilies(t failer, s *tray) {
	links := map[[3]string]bool{}
	s.each(registry.Family, func(l map[string]any) {
		key := [3]string{l["person"].(string), l["relation"].(string), l["other"].(string)}
		if links[key] || c.persons[key[0]] == nil || c.persons[key[2]] == nil || key[0] == key[2] {
			t.Fatal("a family link is doubled, or leads nowhere")
		}
		links[key] = true
	})
	spouses := map[string]int{}
	for l := range links {
		person, other := c.persons[l[0]], c.persons[l[2]]
		switch l[1] {
		case "mẹ", "cha":
			if !links[[3]string{l[2], "con", l[0]}] {
				t.Fatal("a parent does not know the child")
			}
			if (l[1] == "mẹ") != other["female"].(bool) {
				t.Fatalf("a %s of the wrong sex", l[1])
			}
			child, parent := person["birth"].(string), other["birth"].(string)
			// The year alone puts the parent's birth as late as the year's end.
			born := mustDay(t, parent)
			if len(parent) == 4 {
				born = born.AddDate(1, 0, -1)
			}
			if mustDay(t, child).Before(born.AddDate(16, 0, 0)) {
				t.Fatalf("a child born %s of a parent born %s", child, parent)
			}
			if d := other["died"]; d != nil && len(child) == 10 && mustDay(t, d).AddDate(0, 9, 0).Before(mustDay(t, child)) {
				t.Fatalf("a child born %s of a parent who died %v", child, d)
			}
		case "con":
			if !links[[3]string{l[2], "mẹ", l[0]}] && !links[[3]string{l[2], "cha", l[0]}] {
				t.Fatal("a child does not know the parent")
			}
		case "vợ/chồng":
			if !links[[3]string{l[2], "vợ/chồng", l[0]}] || person["female"] == other["female"] {
				t.Fatal("a marriage that one side does not know, or of one sex")
			}
			if spouses[l[0]]++; spouses[l[0]] > 1 {
				t.Fatal("a person with two spouses")
			}
		}
	}
}

func (c census) checkNumbers(t failer, s *tray) {
	taken := map[[2]string]bool{}
	active := map[[2]string]bool{}
	last := map[[2]string]map[string]any{}
	s.each(registry.Identifiers, func(i map[string]any) {
		kind, number, subject := i["kind"].(string), i["number"].(string), i["subject"].(string)
		if taken[[2]string{kind, number}] {
			t.Fatalf("a number of kind %s was given twice", kind)
		}
		taken[[2]string{kind, number}] = true
		of := [2]string{subject, kind}
		if before := last[of]; before != nil {
			if before["status"] != "cancelled" || before["successor"] != number || before["valid_to"] != i["valid_from"] ||
				i["epoch"] != before["epoch"].(int)+1 {
				t.Fatalf("a chain of numbers is broken: %v, then %v", before["valid_to"], i["valid_from"])
			}
		} else if i["epoch"] != 0 {
			t.Fatal("a chain of numbers without its beginning")
		}
		last[of] = i
		if to := i["valid_to"]; (to == nil) != (i["status"] == "active") || to != nil && to.(string) < i["valid_from"].(string) {
			t.Fatalf("a number %s from %v to %v", i["status"], i["valid_from"], to)
		}
		p := c.persons[subject]
		if (p == nil) != (kind == string(registry.Enterprise)) {
			t.Fatalf("a number of kind %s of nobody", kind)
		}
		if i["status"] == "active" {
			if active[of] {
				t.Fatal("two numbers in force")
			}
			active[of] = true
		}
		switch registry.IdentifierKind(kind) {
		case registry.PIN:
			n, err := ParsePersonalNumber(number)
			if err != nil || n.Place != syntheticPlace {
				t.Fatal("a personal number that is not synthetic", err)
			}
			// A cancelled number was cancelled because it did not fit.
			if doubts := n.Doubts(p["female"].(bool), p["birth"].(string)); (len(doubts) > 0) != (i["status"] == "cancelled") {
				t.Fatalf("a number %s with the doubts %q", i["status"], doubts)
			}
		case registry.Enterprise:
			if code, err := ParseEnterpriseCode(number); err != nil || code.Unsure || !strings.HasPrefix(number, "99") {
				t.Fatal("an enterprise code that is not synthetic", err)
			}
		case registry.OldCard:
			if len(number) != 9 || i["status"] == "active" {
				t.Fatal("an old card in force")
			}
		case registry.Foreigner:
			if p["kind"] != "foreigner" {
				t.Fatal("a citizen with a number of a foreigner")
			}
		}
	})
	for id, p := range c.persons {
		kind := registry.PIN
		if p["kind"] == "foreigner" {
			kind = registry.Foreigner
		}
		if !active[[2]string{id, string(kind)}] {
			t.Fatalf("person %s has no number in force", id)
		}
	}
}

func (c census) checkMandates(t failer, s *tray, persons int) {
	inForce := map[string]int{}
	s.each(registry.Representatives, func(m map[string]any) {
		p := c.persons[m["person"].(string)]
		if p == nil || p["life"] != registry.LifeAlive || p["kind"] != "citizen" {
			t.Fatal("a representative who does not exist, or does not live")
		}
		if !c.adultOn(t, m["person"], mustDay(t, m["valid_from"])) {
			t.Fatalf("a representative born %v since %v", p["birth"], m["valid_from"])
		}
		if m["valid_to"] == nil {
			inForce[m["organisation"].(string)]++
		}
	})
	organisations := 0
	s.each(registry.Organisations, func(o map[string]any) {
		organisations++
		if inForce[o["id"].(string)] == 0 {
			t.Fatal("an organisation without a representative")
		}
	})
	if want := max(2, persons/10); organisations != want && persons > 100 {
		t.Fatalf("organisations: got %d, want %d for %d persons", organisations, want, persons)
	}
}

func (c census) checkRegisters(t failer, s *tray) {
	for _, r := range registry.Registers() {
		rows := map[string]int{}
		s.each(registry.TableOf(r.ID), func(row map[string]any) {
			subject := row["subject"].(string)
			if row["row_no"] != rows[subject] {
				t.Fatalf("register %s: row %v after %d", r.ID, row["row_no"], rows[subject])
			}
			rows[subject]++
			for _, a := range r.Attributes {
				v := row[a.Column()]
				out, err := a.Kind().Decode(asDriver(v))
				if err != nil {
					t.Fatalf("%s: %v", a.ID, err)
				}
				if v == nil {
					continue
				}
				switch a.Kind() {
				case registry.Date:
					mustDay(t, v)
				case registry.Decimal:
					if strings.Trim(v.(string), "0123456789.") != "" || v == "" {
						t.Fatalf("%s is no decimal", a.ID)
					}
				}
				if strings.HasPrefix(a.Type, "list") {
					if _, ok := out.([]any); !ok {
						t.Fatalf("%s is no list", a.ID)
					}
				}
				if strings.HasPrefix(a.Type, "address") {
					checkAddress(t, a.ID, out)
				}
				registry.Links(out, func(id string) string {
					if c.persons[id] == nil {
						t.Fatalf("%s links to nobody", a.ID)
					}
					return ""
				})
			}
		})
	}
}

// asDriver gives an int as drivers do.
func asDriver(v any) any {
	if i, ok := v.(int); ok {
		return int64(i)
	}
	return v
}

func checkAddress(t failer, id string, v any) {
	a, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%s is no address", id)
	}
	if a["country"] != nil {
		return
	}
	list, _ := a["list"].(string)
	code, _ := a["province"].(string)
	if name, ok := ProvinceName(list, code); !ok || name != a["province_name"] {
		t.Fatalf("%s: code %q of list %q is not %v", id, code, list, a["province_name"])
	}
	if list == LegacyList && (a["district"] == nil || a["written"] == nil) {
		t.Fatalf("%s: a legacy address without its district, or not as written", id)
	}
	if list == CurrentList && a["district"] != nil {
		t.Fatalf("%s: a district after 2025-07-01", id)
	}
}

// golden is the nation of 1,000 persons of seed 7. When it changes, so must
// GeneratorVersion.
const golden = "3:621718ac86e47e7c"

func TestTheSameSeedMakesTheSameNation(t *testing.T) {
	a, b, other := draw(t, 1000, 7), draw(t, 1000, 7), draw(t, 1000, 8)
	if a.hash != b.hash {
		t.Fatal("two runs with one seed differ")
	}
	if a.hash == other.hash {
		t.Fatal("two seeds made one nation")
	}
	if got := fmt.Sprintf("%d:%s", GeneratorVersion, hex.EncodeToString(a.hash[:8])); got != golden {
		t.Fatalf("the nation of seed 7 is %s, was %s: another nation needs another GeneratorVersion", got, golden)
	}
}

func TestTheNamedPersonsAreInEveryNation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t, MinPersons, rapid.Int64().Draw(t, "seed"))
		var got []string
		s.each(registry.Persons, func(p map[string]any) {
			if p["seq"].(int) < 4 {
				got = append(
					got, fmt.Sprint(s.rows[registry.Identifiers][p["seq"].(int)][2], " ", p["name"], " ", p["birth"], " ", p["female"]),
				)
			}
		})
		want := "099304000017 Trần Thị Mẫu An 2004-02-29 true|099078000112 Lê Văn Mẫu Bình 1978 false|099180000305 Phạm Thị Mẫu Chi 1980-11-05 true|099317000009 Trần Ngọc Mẫu Dương 2017-06-01 true"
		if strings.Join(got, "|") != want {
			t.Fatalf("got %s", strings.Join(got, "|"))
		}
	})
}

// broken fails after some writes.
type broken struct {
	tray
	left int
}

var errDisk = errors.New("no space left")

func (s *broken) Write(ctx context.Context, t *registry.Table, rows [][]any) error {
	if s.left--; s.left < 0 {
		return errDisk
	}
	return nil
}

func TestAFailedWriteEndsTheDrawing(t *testing.T) {
	for _, left := range []int{0, 1, 7, 19, 20} {
		if _, err := generate(t.Context(), &broken{left: left}, Options{Persons: 10_000}); !errors.Is(err, errDisk) {
			t.Fatalf("after %d writes: got %v", left, err)
		}
	}
}
