package reconcile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/counts"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

const origin = "log.test/2026Q4"

func leafOf(event string) []byte {
	sum := sha256.Sum256([]byte(event))
	return sum[:]
}

func seq[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range list {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// book is a log with its rows, none of which was tampered with.
type book struct {
	leaves [][]byte
	rows   []Row
	erased map[string]bool
	last   map[string]int64
}

func drawBook(t *rapid.T) *book {
	b := &book{erased: map[string]bool{}, last: map[string]int64{}}
	n := rapid.IntRange(1, 60).Draw(t, "events")
	for i := range n {
		person := fmt.Sprintf("person-%d", rapid.IntRange(0, 3).Draw(t, "person"))
		row := Row{Index: uint64(i), Event: fmt.Sprintf("event-%03d", i), Pseudonym: person, Client: "so-dat", At: now.Add(-time.Hour)}
		row.Leaf = leafOf(row.Event)
		b.leaves = append(b.leaves, row.Leaf)
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0: // erased
			row = Row{Index: row.Index, Event: row.Event, Gone: true}
			b.erased[row.Event] = true
		case 1: // written by a release without seals
			row.Unsealed = true
		default:
			b.last[person]++
			row.Number = b.last[person]
		}
		b.rows = append(b.rows, row)
	}
	if rapid.Bool().Draw(t, "a leaf twice") { // after a crash: the first has no place
		b.leaves = append([][]byte{b.leaves[n-1]}, b.leaves...)
		for i := range b.rows {
			b.rows[i].Index++
		}
		if b.rows[n-1].Gone {
			b.leaves[0] = b.leaves[1]
			if b.rows[0].Gone {
				b.leaves, b.rows = b.leaves[1:], slices.Clone(b.rows)
				for i := range b.rows {
					b.rows[i].Index--
				}
			}
		}
	}
	return b
}

// find is a whole pass over a book.
func (b *book) find(t interface{ Fatal(...any) }) (found []Finding) {
	tell := func(f Finding) { found = append(found, f) }
	s := Shard{
		Origin: origin, To: uint64(len(b.leaves)), Rows: seq(b.rows), Leaves: seq(b.leaves),
		Erased: func([]string) (map[string]bool, error) { return b.erased, nil },
	}
	bare, next, err := s.Compare(tell)
	if err != nil || next != s.To {
		t.Fatal(next, err)
	}
	rest, err := Doubles(bare, seq(b.rows))
	if err != nil {
		t.Fatal(err)
	}
	Bare(rest, tell)
	var numbered []Numbered
	for _, r := range b.rows {
		numbered = append(numbered, Numbered{r.Pseudonym, r.Number, r.Event})
	}
	slices.SortStableFunc(numbered, func(a, b Numbered) int { return strings.Compare(a.Pseudonym, b.Pseudonym) })
	var given []Last
	for _, p := range slices.Sorted(maps.Keys(b.last)) {
		given = append(given, Last{p, b.last[p]})
	}
	if err := Numbers(seq(numbered), seq(given), tell); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestNothingIsFoundWhereNothingIsWrong: rows of releases without seals, erased events
// and leaves that a crash had appended twice are in order.
func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if found := drawBook(t).find(t); len(found) > 0 {
			t.Fatalf("found %+v", found)
		}
	})
}

// tamperings are what an insider does to one row, each with the kinds that tell of it.
var tamperings = []struct {
	name string
	do   func(t *rapid.T, b *book, i int) bool // false where it cannot be done to this row
	want []Kind
}{
	{"a row and its place are deleted", func(_ *rapid.T, b *book, i int) bool {
		b.rows = slices.Delete(b.rows, i, i+1)
		return true
	}, []Kind{LeafWithoutRow}},
	{"a row is deleted", func(_ *rapid.T, b *book, i int) bool {
		ok := !b.rows[i].Gone
		b.rows[i] = Row{Index: b.rows[i].Index, Event: b.rows[i].Event, Gone: true}
		return ok
	}, []Kind{LeafWithoutRow}},
	{"a row is altered", func(_ *rapid.T, b *book, i int) bool {
		b.rows[i].Fault = "altered"
		return !b.rows[i].Gone
	}, []Kind{NotGenuine}},
	{"a row is altered by one who has the key of the seals", func(_ *rapid.T, b *book, i int) bool {
		b.rows[i].Leaf = leafOf("another")
		return !b.rows[i].Gone && !b.rows[i].Unsealed
	}, []Kind{OtherCommitment}},
	{"a row without seal is altered", func(_ *rapid.T, b *book, i int) bool {
		b.rows[i].Leaf = leafOf("another")
		return !b.rows[i].Gone && b.rows[i].Unsealed
	}, []Kind{NotGenuine}},
	{"a place is given twice", func(_ *rapid.T, b *book, i int) bool {
		second := Row{Index: b.rows[i].Index, Event: "invented", Leaf: b.rows[i].Leaf}
		b.rows = slices.Insert(b.rows, i+1, second)
		return true
	}, []Kind{PlaceTwice}},
	{"two rows change places", func(t *rapid.T, b *book, i int) bool {
		j := rapid.IntRange(0, len(b.rows)-1).Draw(t, "with")
		if i == j || b.rows[i].Gone || b.rows[j].Gone || b.rows[i].Unsealed || b.rows[j].Unsealed {
			return false
		}
		b.rows[i], b.rows[j] = b.rows[j], b.rows[i]
		b.rows[i].Index, b.rows[j].Index = b.rows[j].Index, b.rows[i].Index
		return true
	}, []Kind{OtherCommitment}},
	{"a leaf is another", func(_ *rapid.T, b *book, i int) bool {
		b.leaves[b.rows[i].Index] = leafOf("foreign")
		return !b.rows[i].Gone
	}, []Kind{OtherCommitment, NotGenuine}},
	{"an event is taken away before it has a leaf", func(_ *rapid.T, b *book, i int) bool {
		if b.rows[i].Number == 0 {
			return false
		}
		at := b.rows[i].Index
		b.leaves = slices.Delete(b.leaves, int(at), int(at)+1)
		b.rows = slices.Delete(b.rows, i, i+1)
		for j := range b.rows[i:] {
			b.rows[i+j].Index--
		}
		return !slices.ContainsFunc(b.leaves[:at], func(l []byte) bool { return bytes.Equal(l, leafOf(fmt.Sprintf("event-%03d", i))) })
	}, []Kind{NumberMissing}},
	{"a number is given twice", func(_ *rapid.T, b *book, i int) bool {
		for j := range i {
			if b.rows[j].Pseudonym == b.rows[i].Pseudonym && b.rows[j].Number > 0 && b.rows[i].Number > 0 {
				b.rows[i].Number = b.rows[j].Number
				return true
			}
		}
		return false
	}, []Kind{NumberTwice}},
	{"the number that was given last is set back", func(_ *rapid.T, b *book, i int) bool {
		b.last[b.rows[i].Pseudonym]--
		return b.last[b.rows[i].Pseudonym] >= 0
	}, []Kind{NumberTwice}},
	{"a tombstone is taken away", func(_ *rapid.T, b *book, i int) bool {
		delete(b.erased, b.rows[i].Event)
		return b.rows[i].Gone
	}, []Kind{LeafWithoutRow}},
}

// TestEachTamperingIsFound: whatever of ten ways is done to whichever row of whichever
// book, it is found, and told by a key that is the same the next time.
func TestEachTamperingIsFound(t *testing.T) {
	for _, way := range tamperings {
		t.Run(way.name, func(t *testing.T) {
			done := 0
			rapid.Check(t, func(t *rapid.T) {
				b := drawBook(t)
				if !way.do(t, b, rapid.IntRange(0, len(b.rows)-1).Draw(t, "row")) {
					return
				}
				done++
				found := b.find(t)
				if !slices.ContainsFunc(found, func(f Finding) bool { return slices.Contains(way.want, f.Kind) }) {
					t.Fatalf("found %+v", found)
				}
				again := b.find(t)
				for i, f := range found {
					if f.Key() != again[i].Key() {
						t.Errorf("%s, then %s", f.Key(), again[i].Key())
					}
				}
			})
			if done < 5 {
				t.Errorf("it was done %d times only", done)
			}
		})
	}
}

// TestUnplaced: a row has its leaf within the time that is said, and one that is not
// genuine is told of at once.
func TestUnplaced(t *testing.T) {
	for _, row := range []struct {
		name string
		row  Row
		want Kind
	}{
		{"young", Row{At: now.Add(-Within)}, ""},
		{"old", Row{At: now.Add(-Within - 1)}, RowWithoutLeaf},
		{"old, without seal", Row{At: now.Add(-Within - 1), Unsealed: true}, NotGenuine},
		{"young, not genuine", Row{At: now, Fault: "altered"}, NotGenuine},
	} {
		var got Kind
		if err := Unplaced(seq([]Row{row.row}), now, func(f Finding) { got = f.Kind }); err != nil || got != row.want {
			t.Errorf("%s: got %q, %v", row.name, got, err)
		}
	}
}

// TestCounters: what the log counted is held against the rows, an hour, app and kind at a time.
func TestCounters(t *testing.T) {
	a, b := counts.Tag{Hour: 1, Client: "a", Type: "x"}, counts.Tag{Hour: 1, Client: "b", Type: "x"}
	later := counts.Tag{Hour: 2, Client: "a", Type: "x"}
	for _, row := range []struct {
		name string
		c    counts.Counter
		rows counts.Tally
		want int
	}{
		{"they agree", counts.Counter{Counted: counts.Tally{a: 2, b: 1}}, counts.Tally{a: 2, b: 1}, 0},
		{"nothing at all", counts.Counter{}, nil, 0},
		{"a row is missing", counts.Counter{Counted: counts.Tally{a: 2}}, counts.Tally{a: 1}, 1},
		{"an app is missing", counts.Counter{Counted: counts.Tally{a: 2, b: 1}}, counts.Tally{a: 2}, 1},
		{"an app was never counted", counts.Counter{Counted: counts.Tally{a: 2}}, counts.Tally{a: 2, b: 5}, 1},
		{"another hour", counts.Counter{Counted: counts.Tally{a: 2}}, counts.Tally{a: 1, later: 1}, 2},
		{"one that could not be counted then", counts.Counter{Counted: counts.Tally{a: 2}, Unknown: 1}, counts.Tally{a: 3}, 0},
		{"more than could not be counted", counts.Counter{Counted: counts.Tally{a: 2}, Unknown: 1}, counts.Tally{a: 3, b: 1}, 2},
	} {
		var got []Finding
		tell := func(f Finding) { got = append(got, f) }
		Lacks(row.c, Lacking(row.c, row.rows), tell)
		Exceeds(row.c, row.rows, tell)
		if len(got) != row.want {
			t.Errorf("%s: %+v", row.name, got)
		}
	}
}

// TestExplained: roles, apps and APIs are as the newest event of each says.
func TestExplained(t *testing.T) {
	salt, state := audit.Salt{1}, []byte(`{"Name":"x"}`)
	said := func(a audit.Action, minutes int) Said {
		s := Said{Action: a, Object: "x", At: now.Add(time.Duration(minutes) * time.Minute), Salt: salt}
		if kindOf(a) != RoleUnexplained {
			s.Digest = salt.PayloadDigest(state)
		} else {
			s.Pseudonym = "person-1"
		}
		return s
	}
	before := said(audit.ClientUpdated, 0)
	before.Digest = ""
	hers := Standing{Kind: RoleUnexplained, Object: "x", Pseudonym: "person-1"}
	app, ended := Standing{Kind: AppUnexplained, Object: "x", State: state}, Standing{Kind: AppUnexplained, Object: "x", Ended: true}
	opened := Standing{Kind: IncidentUnexplained, Object: "x", State: []byte(audit.IncidentOpened)}
	closed := Standing{Kind: IncidentUnexplained, Object: "x", State: []byte(audit.IncidentClosed)}
	altered := Standing{Kind: AppUnexplained, Object: "x", State: []byte(`{"Name":"y"}`)}
	for _, row := range []struct {
		name     string
		standing []Standing
		said     []Said
		want     Kind
	}{
		{"a role that was given", []Standing{hers}, []Said{said(audit.RoleGranted, 0)}, ""},
		{"a role that was taken", nil, []Said{said(audit.RoleGranted, 0), said(audit.RoleRevoked, 5)}, ""},
		{"a role that was inserted", []Standing{hers}, nil, RoleUnexplained},
		{"a role that stayed", []Standing{hers}, []Said{said(audit.RoleGranted, 0), said(audit.RoleRevoked, 5)}, RoleUnexplained},
		{"a role that was deleted", nil, []Said{said(audit.RoleGranted, 0)}, RoleUnexplained},
		{"another's role", []Standing{{Kind: RoleUnexplained, Object: "x", Pseudonym: "person-2"}}, []Said{said(audit.RoleGranted, 0), said(audit.RoleRevoked, 2)}, RoleUnexplained},
		{"an app", []Standing{app}, []Said{said(audit.ClientRegistered, 0)}, ""},
		{"an app that nobody registered", []Standing{app}, []Said{said(audit.ResourceRegistered, 0)}, AppUnexplained},
		{"an app that was altered", []Standing{altered}, []Said{said(audit.ClientRegistered, 0)}, AppUnexplained},
		{"an app of before there were digests", []Standing{altered}, []Said{before}, ""},
		{"an app of before, changed since", []Standing{altered}, []Said{before, said(audit.ClientUpdated, 5)}, AppUnexplained},
		{"clocks that differ a little", []Standing{altered}, []Said{before, said(audit.ClientUpdated, 1)}, ""},
		{"an app that was deleted", []Standing{ended}, []Said{said(audit.ClientRegistered, 0), said(audit.ClientDeleted, 5)}, ""},
		{"an app that came back", []Standing{app}, []Said{said(audit.ClientRegistered, 0), said(audit.ClientDeleted, 5)}, AppUnexplained},
		{"an app that ended without an event", []Standing{ended}, []Said{said(audit.ClientRegistered, 0)}, AppUnexplained},
		{"an app that is gone", nil, []Said{said(audit.ClientRegistered, 0)}, AppUnexplained},
		{"an API that was altered", []Standing{{Kind: ResourceUnexplained, Object: "x", State: []byte("{}")}}, []Said{said(audit.ResourceRegistered, 0)}, ResourceUnexplained},
		{"an incident", []Standing{opened}, []Said{said(audit.IncidentOpened, 0)}, ""},
		{"an incident that was closed without a word", []Standing{closed}, []Said{said(audit.IncidentOpened, 0)}, IncidentUnexplained},
		{"an incident that is gone", nil, []Said{said(audit.IncidentOpened, 0)}, IncidentUnexplained},
		{"an event of something else", nil, []Said{said(audit.KeyActive, 0)}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []Finding
			if err := Explained(row.standing, seq(row.said), func(f Finding) { got = append(got, f) }); err != nil {
				t.Fatal(err)
			}
			if row.want == "" && len(got) > 0 || row.want != "" && (len(got) == 0 || got[0].Kind != row.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestAgain: what somebody changed between two readings is no finding.
func TestAgain(t *testing.T) {
	looks := 0
	var got []Finding
	err := Again(func(tell func(Finding)) error {
		looks++
		tell(Finding{Kind: AppUnexplained, Object: "stays"})
		if looks == 1 {
			tell(Finding{Kind: AppUnexplained, Object: "passes"})
		}
		return nil
	}, func(f Finding) { got = append(got, f) })
	if err != nil || looks != 2 || len(got) != 1 || got[0].Object != "stays" {
		t.Errorf("%d looks, %+v, %v", looks, got, err)
	}
}

// TestAStreamThatBreaksIsNoFinding: what cannot be read is an error, with the place to go
// on from, and never a sign that something was deleted.
func TestAStreamThatBreaksIsNoFinding(t *testing.T) {
	broken := errors.New("the disk does not answer")
	rows := []Row{{Index: 0, Event: "a", Leaf: leafOf("a")}, {Index: 1, Event: "b", Leaf: leafOf("b")}}
	leaves := [][]byte{leafOf("a"), leafOf("b")}
	breaks := func(s iter.Seq2[Row, error]) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			for r := range s {
				if !yield(r, nil) {
					return
				}
				break
			}
			yield(Row{}, broken)
		}
	}
	for name, s := range map[string]Shard{
		"rows":             {To: 2, Rows: breaks(seq(rows)), Leaves: seq(leaves)},
		"too few leaves":   {To: 3, Rows: seq(rows), Leaves: seq(leaves)},
		"rows in no order": {To: 2, Rows: seq([]Row{rows[1], rows[0]}), Leaves: seq(leaves)},
	} {
		bare, _, err := s.Compare(func(f Finding) { t.Errorf("%s: found %+v", name, f) })
		if err == nil || len(bare) > 1 {
			t.Errorf("%s: %v, %v", name, bare, err)
		}
	}
}

// TestALongStretchOfBareLeavesEnds: what waits in memory is bounded, and goes on from where
// it stopped.
func TestALongStretchOfBareLeavesEnds(t *testing.T) {
	var leaves [][]byte
	for i := range pending + 10 {
		leaves = append(leaves, leafOf(fmt.Sprint(i)))
	}
	bare, next, err := Shard{Origin: origin, To: uint64(len(leaves)), Rows: seq[Row](nil), Leaves: seq(leaves)}.Compare(func(Finding) {})
	if err != nil || len(bare) != pending || next != pending {
		t.Errorf("%d bare, next %d, %v", len(bare), next, err)
	}
}

// TestAGapIsToldInFewWords: a number that was invented far ahead does not make a finding of
// each that lies between.
func TestAGapIsToldInFewWords(t *testing.T) {
	var got []Finding
	events := []Numbered{{"p", 1, "a"}, {"p", 1 << 40, "b"}}
	err := Numbers(seq(events), seq([]Last{{"p", 1 << 40}}), func(f Finding) { got = append(got, f) })
	if err != nil || len(got) != gapsTold || got[gapsTold-1].Text == "" {
		t.Errorf("%d findings, %v", len(got), err)
	}
}

// TestAPlaceThatNoServerNoted: it is told of and counts for nothing, wherever it is, unless the
// row is what the log has; one of before there were MACs counts where no other does.
func TestAPlaceThatNoServerNoted(t *testing.T) {
	right, wrong := leafOf("a"), leafOf("b")
	at := func(event string, leaf []byte) Row { return Row{Event: event, Leaf: leaf} }
	gone := func(r Row) Row { r.Gone, r.Leaf = true, nil; return r }
	bare := func(r Row) Row { r.Unproven = true; return r }
	forged := func(r Row) Row { r.Unproven, r.Forged = true, true; return r }
	for _, row := range []struct {
		name string
		rows []Row
		want []Kind
		bare int
	}{
		{"proved", []Row{at("a", right)}, nil, 0},
		{"proved, and the log has another leaf", []Row{at("b", wrong)}, []Kind{OtherCommitment}, 0},
		{"of before", []Row{bare(at("a", right))}, nil, 0},
		{"no MAC, and the log has another leaf", []Row{bare(at("b", wrong))}, []Kind{PlaceForged}, 1},
		{"a wrong MAC at the right place", []Row{forged(at("a", right))}, []Kind{PlaceForged}, 0},
		{"a wrong MAC", []Row{forged(at("b", wrong))}, []Kind{PlaceForged}, 1},
		{"claimed before the one whose place it is", []Row{bare(at("0", wrong)), at("a", right), forged(at("b", wrong))}, []Kind{PlaceForged, PlaceForged}, 0},
		{"of no event", []Row{bare(gone(at("0", nil))), at("a", right)}, []Kind{PlaceForged}, 0},
		{"of a row of before that was deleted", []Row{bare(gone(at("a", nil)))}, nil, 1},
		{"of no event, with a wrong MAC", []Row{forged(gone(at("a", nil)))}, []Kind{PlaceForged}, 1},
		{"two that servers noted", []Row{at("a", right), at("b", wrong)}, []Kind{PlaceTwice, OtherCommitment}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			var found []Kind
			without, _, err := Shard{Origin: origin, To: 1, Rows: seq(row.rows), Leaves: seq([][]byte{right})}.
				Compare(func(f Finding) { found = append(found, f.Kind) })
			if err != nil || !slices.Equal(found, row.want) || len(without) != row.bare {
				t.Errorf("found %v and %d leaves without a row, %v", found, len(without), err)
			}
		})
	}
}
