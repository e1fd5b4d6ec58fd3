package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"hopnhat/authz/audit/commitment"
)

// samples are files of every kind that must verify, and of which no byte may be
// changed.
func samples(t testing.TB) map[string][]byte {
	one, many := newLog(1), newLog(7)
	two := newLog(5, newSigner(origin, 1), newSigner(origin, 2))
	return map[string][]byte{
		"a whole event":             many.file(3).Marshal(),
		"the only event":            one.file(0).Marshal(),
		"some groups":               many.partial(4, commitment.When, commitment.Reason).Marshal(),
		"no group":                  many.partial(4).Marshal(),
		"two keys":                  two.file(2).Marshal(),
		"an export of all between":  many.export(t, 100, 1, 4, 5),
		"an export in segments":     many.export(t, 1, 1, 4, 5),
		"an export of nothing":      many.export(t, 100),
		"a release by law":          restsOn(GroundNone).Marshal(),
		"an unproved consent":       restsOn(GroundUnproved).Marshal(),
		"a release and its consent": restsOn(GroundProved).Marshal(),
	}
}

func TestSamplesVerify(t *testing.T) {
	for name, raw := range samples(t) {
		for _, trusted := range [][]string{nil, {newSigner(origin, 1).vkey}, {newSigner("other.example", 9).vkey, newSigner(origin, 1).vkey}} {
			r := Verify(raw, trusted)
			if !r.OK() || r.Pinned != (trusted != nil) {
				failed, _ := r.Failed()
				t.Errorf("%s: pinned %v, failed at %q: %v\n%s", name, r.Pinned, failed.EN, failed.Err, raw)
			}
		}
		if r := Verify(raw, []string{newSigner(origin, 3).vkey}); r.OK() {
			t.Errorf("%s: verifies under a key that did not sign", name)
		}
	}
}

// TestNoByteCanChangeUnseen changes every byte of every sample, of inclusion proofs (RFC 6962
// §2.1.1) too.
func TestNoByteCanChangeUnseen(t *testing.T) {
	trusted := []string{newSigner(origin, 1).vkey}
	for name, raw := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range raw {
				// Every byte; which bit, and whether the key is pinned, goes round.
				changed, keys := bytes.Clone(raw), [][]string{trusted, nil}[i%2]
				changed[i] ^= 1 << (i % 7)
				r := Verify(changed, keys)
				if r.OK() {
					t.Fatalf("byte %d (%q) changed to %q: still verifies (pinned %v)", i, raw[max(0, i-20):i+1], changed[i], r.Pinned)
				}
				if failed, _ := r.Failed(); failed.Err == nil || failed.VI == "" || failed.Reason("vi") == "" {
					t.Fatalf("byte %d: the report does not name what fails", i)
				}
				if len(r.Events) > 0 {
					t.Fatalf("byte %d: a report that failed shows events", i)
				}
			}
			for i := range raw { // nothing can be cut off or doubled
				if Verify(raw[:i], trusted).OK() {
					t.Fatalf("cut after %d bytes it still verifies", i)
				}
			}
			for _, tail := range []string{"\n", " ", "\x00", string(raw)} {
				if Verify(append(bytes.Clone(raw), tail...), trusted).OK() {
					t.Fatalf("with %q behind it still verifies", tail[:1])
				}
			}
		})
	}
}

func TestTheReportNamesThePart(t *testing.T) {
	l := newLog(7)
	trusted := l.vkeys()
	raw := string(l.file(3).Marshal())
	other := l.file(4)
	replace := func(old, new string) string {
		t.Helper()
		if strings.Count(raw, old) < 1 {
			t.Fatalf("there is no %q in\n%s", old, raw)
		}
		return strings.Replace(raw, old, new, 1)
	}
	line := func(prefix string) string {
		for _, l := range strings.Split(raw, "\n") {
			if strings.HasPrefix(l, prefix) {
				return l
			}
		}
		t.Fatalf("no line begins with %q", prefix)
		return ""
	}
	otherLeaf := "leaf " + base64.StdEncoding.EncodeToString(l.leaves[4])
	partial := string(l.partial(3, commitment.When, commitment.Reason).Marshal())
	for _, row := range []struct{ name, file, step string }{
		{"a word for readers", replace("Dịch vụ đất đai", "Dịch vụ điện lực"), "Lines for readers"},
		{"the event", replace(`"purpose":"dvc.prefill"`, `"purpose":"dvc.prefilm"`), "The event gives the log's entry"},
		{"the salt", replace(line("salt "), "salt "+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))), "The event gives the log's entry"},
		{"the leaf", replace(line("leaf "), otherLeaf), "The event gives the log's entry"},
		{"event, salt and leaf of another entry", strings.NewReplacer(line("event "), "event "+string(other.Event), line("salt "),
			"salt "+base64.StdEncoding.EncodeToString(other.Salt[:]), line("leaf "), otherLeaf).Replace(raw), "The entry is in the log"},
		{"the index", replace("index 3", "index 2"), "The entry is in the log"},
		{"a hash on the path", replace(l.path(3, 0, 7)[1].String(), l.path(2, 0, 7)[0].String()), "The entry is in the log"},
		{"the root", replace(Hash(l.root(0, 7)).String(), Hash(l.root(0, 6)).String()), "The log's signature on its checkpoint"},
		{"the tree size", replace("\n7\n", "\n8\n"), "The log's signature on its checkpoint"},
		{"the key", replace(line("log-key "), "log-key "+newSigner(origin, 2).vkey), "Key of the log"},
		{"white space", replace("index 3", "index  3"), "Structure of the file"},
		{"a group's text", strings.Replace(partial, `"purpose":"dvc.prefill"`, `"purpose":"dvc.prefilm"`, 1), "The event gives the log's entry"},
		{"nothing at all", "", "Structure of the file"},
		{"another file", "hello", "Structure of the file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			failed, ok := Verify([]byte(row.file), trusted).Failed()
			if !ok || failed.EN != row.step {
				t.Fatalf("got %q (%v), want %q", failed.EN, failed.Err, row.step)
			}
		})
	}
}

// TestATrustedKeyThatIsOnlyNamed: whoever can sign with some key must not pass by
// naming a trusted one beside it.
func TestATrustedKeyThatIsOnlyNamed(t *testing.T) {
	good, evil := newSigner(origin, 1), newSigner(origin, 66)
	l := newLog(4, evil)
	f := l.file(2)
	f.Inclusion.Keys = []string{evil.vkey, good.vkey}
	if failed, ok := Verify(f.Marshal(), []string{good.vkey}).Failed(); !ok {
		t.Error("a proof verifies under a trusted key that did not sign")
	} else if !strings.Contains(failed.EN, "signature") {
		t.Errorf("failed at %q: %v", failed.EN, failed.Err)
	}
	e, _, err := UnmarshalExport(l.export(t, 100, 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	e.Keys = []string{evil.vkey, good.vkey}
	raw, err := e.Marshal(l.sign)
	if err != nil {
		t.Fatal(err)
	}
	if Verify(raw, []string{good.vkey}).OK() {
		t.Error("an export verifies under a trusted key that did not sign")
	}
}

func TestAFileReadsBackAsItWasWritten(t *testing.T) {
	l := newLog(9)
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, 8).Draw(t, "event")
		show := rapid.SliceOfDistinct(rapid.SampledFrom(commitment.Groups()), rapid.ID).Draw(t, "shown")
		f := l.file(i)
		if rapid.Bool().Draw(t, "partial") {
			f = l.partial(i, append(show, commitment.When)...)
		}
		raw := f.Marshal()
		got, err := Unmarshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Marshal(), raw) {
			t.Fatal("written again it is another file")
		}
		r := Verify(raw, l.vkeys())
		if !r.OK() || len(r.Events) != 1 {
			t.Fatalf("%+v", r)
		}
		for _, g := range commitment.Groups() {
			if _, shown := r.Events[0].Shown(g); shown != (f.Disclosed == nil || g == commitment.When || slices.Contains(show, g)) {
				t.Fatalf("group %q shown: %v", g, shown)
			}
		}
	})
}

func TestWithheldGroupsAreNotInTheFile(t *testing.T) {
	l := newLog(3)
	raw := string(l.partial(1, commitment.When, commitment.Decision).Marshal())
	for _, secret := range []string{"dvc.prefill", "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g", "Đà Nẵng", "land.parcel", "LB-CONSENT"} {
		if strings.Contains(raw, secret) {
			t.Errorf("%q is in the file", secret)
		}
	}
}

func TestRanges(t *testing.T) {
	logs := map[int]*memLog{}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 40).Draw(t, "size")
		if logs[size] == nil {
			logs[size] = newLog(size)
		}
		l := logs[size]
		first := rapid.IntRange(0, size-1).Draw(t, "first")
		last := rapid.IntRange(first, size-1).Draw(t, "last")
		p, err := l.RangeProof(t.Context(), uint64(first), uint64(last))
		if err != nil {
			t.Fatal(err)
		}
		c, err := OpenCheckpoint([]byte(p.Checkpoint), l.signers[0].Verifier)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(c); err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(0, len(p.Leaves)-1).Draw(t, "which")
		wrong := p
		wrong.Leaves = slices.Clone(p.Leaves)
		switch rapid.SampledFrom([]string{"change", "drop", "double", "swap", "shift", "path"}).Draw(t, "how") {
		case "change":
			wrong.Leaves[n] = append(bytes.Clone(p.Leaves[n]), 0)
		case "drop":
			wrong.Leaves = slices.Delete(wrong.Leaves, n, n+1)
		case "double":
			wrong.Leaves = slices.Insert(wrong.Leaves, n, p.Leaves[n])
		case "swap":
			if n == 0 {
				return
			}
			wrong.Leaves[n], wrong.Leaves[n-1] = wrong.Leaves[n-1], wrong.Leaves[n]
		case "shift":
			wrong.First++
		case "path":
			if len(p.Head) == 0 {
				return
			}
			wrong.Head = slices.Clone(p.Head)
			wrong.Head[n%len(p.Head)][0] ^= 1
		}
		if wrong.Check(c) == nil {
			t.Fatalf("entries %d to %d of %d: a changed range verifies", first, last, size)
		}
	})
}

func TestAnExportSaysWhatItDoesNotShow(t *testing.T) {
	l := newLog(7) // entries 2 and 5 are refusals
	r := Verify(l.export(t, 100, 1, 4), l.vkeys())
	if !r.OK() {
		t.Fatal(r.Failed())
	}
	c := *r.Coverage
	if c.First != 1 || c.Last != 4 || c.Segments != 1 || c.Shown != 2 || c.Unshown["release.refused"] != 1 ||
		c.Unshown["release.permitted"] != 1 {
		t.Errorf("got %+v", c)
	}
	c = *Verify(l.export(t, 2, 1, 2, 5), l.vkeys()).Coverage
	if c.Segments != 2 || c.Shown != 3 || len(c.Unshown) != 0 {
		t.Errorf("got %+v", c)
	}
	if vi, en := c.Text("vi"), c.Text("en"); !strings.Contains(vi, "2 đoạn") || !strings.Contains(en, "2 segments") {
		t.Errorf("got %q, %q", vi, en)
	}
}

// of is the log with another name.
func (l *memLog) of(origin string) *memLog {
	c := *l
	c.name, c.signers = origin, []testSigner{newSigner(origin, 1)}
	return &c
}

// quarters is an export of events over the border of two quarters, with one that is not logged
// and one that is not genuine.
func quarters(t testing.TB) (raw []byte, before, after *memLog) {
	t.Helper()
	before, after = newLog(7).of("hopnhat.example/release/dc1/2026q3"), newLog(5).of(origin)
	found := Found{
		Total: 6, Unlogged: []Record{record(event(40), 40)}, Faulty: []Faulty{{"0197a1b2-c3d4-7e5f-8a6b-0000000000ff", "altered"}},
		Placed: append(before.placed(5, 6), after.placed(0, 3)...),
	}
	shard := func(origin string) (Prover, error) {
		return map[string]*memLog{before.name: before, after.name: after}[origin], nil
	}
	e, err := Assemble(t.Context(), shard, []byte("{}"), time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC), found, 100)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = e.Marshal(after.sign, after.vkeys()...); err != nil {
		t.Fatal(err)
	}
	return raw, before, after
}

// TestAnExportOverTheBorderOfAQuarter says of each shard what it holds, and verifies when the
// key of each was given.
func TestAnExportOverTheBorderOfAQuarter(t *testing.T) {
	raw, before, after := quarters(t)
	both := append(before.vkeys(), after.vkeys()...)
	r := Verify(raw, both)
	if !r.OK() || !r.Pinned || len(r.Events) != 4 {
		t.Fatalf("%+v\n%s", r, raw)
	}
	c := r.Coverage
	if c.Total != 6 || c.Shown != 4 || c.Unlogged != 1 || c.Faulty != 1 || len(c.Shards) != 2 || c.Shards[0].Origin != before.name ||
		c.Shards[1].Shown != 2 || c.Shards[1].Unshown["release.permitted"] != 1 {
		t.Errorf("coverage %+v", c)
	}
	for _, want := range []string{
		"found 6\nevents 4\nunlogged 1\nfaulty 1\nshards 2\n", "shard " + before.name + " events 2 entries 5 6 segments 1\n",
		"shard " + origin + " events 2 entries 0 3 segments 1\n", "chưa vào nhật ký 1", "not genuine 1",
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("it does not say %q:\n%s", want, raw)
		}
	}
	for name, keys := range map[string][]string{"the older quarter alone": before.vkeys(), "the newer quarter alone": after.vkeys()} {
		if Verify(raw, keys).OK() {
			t.Errorf("it verifies under the key of %s", name)
		}
	}
	if r := Verify(raw, nil); !r.OK() || r.Pinned {
		t.Errorf("without keys: %+v", r)
	}
	for i := 0; i < len(raw); i += 3 {
		changed := bytes.Clone(raw)
		changed[i] ^= 1 << (i % 7)
		if Verify(changed, both).OK() {
			t.Fatalf("byte %d changed: still verifies", i)
		}
	}
}

// TestRowsOfWhichTheLogHoldsSomethingElse are named, and spoil nobody's export.
func TestRowsOfWhichTheLogHoldsSomethingElse(t *testing.T) {
	l := newLog(7)
	rows := l.placed(1, 4)
	rows[0].Record = record(event(30), 1)                        // altered
	rows = append(rows, Placed{"copy", origin, 4, l.records[5]}) // a place that is another's
	rows = append(rows, Placed{"twice", origin, 4, l.records[4]})
	e, err := Assemble(
		t.Context(), func(string) (Prover, error) { return l, nil }, []byte("{}"), time.Now(), Found{Total: len(rows), Placed: rows}, 100,
	)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := e.Marshal(l.sign, l.vkeys()...)
	if err != nil {
		t.Fatal(err)
	}
	want := []Faulty{{"row-1", Misplaced}, {"copy", Misplaced}, {"twice", Misplaced}}
	if r := Verify(raw, l.vkeys()); !r.OK() || r.Coverage.Shown != 1 || !slices.Equal(e.Faulty, want) {
		t.Errorf("%v, %+v", e.Faulty, r)
	}
}

// TestAnExportLeavesNothingOut: whoever makes it, with the log's own signature under it.
func TestAnExportLeavesNothingOut(t *testing.T) {
	raw, before, after := quarters(t)
	both := append(before.vkeys(), after.vkeys()...)
	for name, change := range map[string]func(*Export){
		"an event that is not logged": func(e *Export) { e.Unlogged = nil },
		"a row that is not genuine":   func(e *Export) { e.Faulty = nil },
		"a quarter":                   func(e *Export) { e.Segments = e.Segments[1:] },
		"an event of a segment":       func(e *Export) { delete(e.Segments[0].Shown, 5) },
		"a row that was not found":    func(e *Export) { e.Faulty = append(e.Faulty, Faulty{"x", "altered"}) },
	} {
		e, _, err := UnmarshalExport(raw)
		if err != nil {
			t.Fatal(err)
		}
		change(&e)
		again, err := e.Marshal(after.sign)
		if err != nil {
			t.Fatal(err)
		}
		if failed, ok := Verify(again, both).Failed(); !ok || !errors.Is(failed.Err, ErrCounts) {
			t.Errorf("without %s: failed %v at %q: %v", name, ok, failed.EN, failed.Err)
		}
	}
	e, _, err := UnmarshalExport(raw)
	if err != nil {
		t.Fatal(err)
	}
	e.Segments[0].Origin = "hopnhat.example/release/dc1/2026q2" // a checkpoint of another shard
	if again, err := e.Marshal(after.sign); err != nil || Verify(again, both).OK() {
		t.Errorf("a segment under the name of another shard verifies, %v", err)
	}
	odd := Export{Query: []byte("{}"), Made: e.Made, Total: 1, Faulty: []Faulty{{"a b\nunlogged", "altered"}}, Keys: after.vkeys()}
	if again, err := odd.Marshal(after.sign); err != nil || !Verify(again, both).OK() || strings.Contains(string(again), "\nunlogged\n") {
		t.Errorf("an id that somebody wrote breaks the form: %v\n%s", err, again)
	}
}

func TestAnExportFromWhichAnEntryWasTaken(t *testing.T) {
	l := newLog(7)
	e, _, err := UnmarshalExport(l.export(t, 100, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	// Even with the log's own signature on the manifest.
	s := e.Segments[0]
	s.Leaves = slices.Delete(slices.Clone(s.Leaves), 1, 2)
	s.Shown = map[uint64]Record{1: s.Shown[1], 3: s.Shown[4]}
	e.Segments = []Segment{s}
	raw, err := e.Marshal(l.sign, l.vkeys()...)
	if err != nil {
		t.Fatal(err)
	}
	if failed, ok := Verify(raw, l.vkeys()).Failed(); !ok || !strings.Contains(failed.EN, "none missing") {
		t.Fatalf("failed %v at %q: %v", ok, failed.EN, failed.Err)
	}
}

func TestCheckpointForms(t *testing.T) {
	l := newLog(3)
	good, v := l.checkpoint(), l.signers[0].Verifier
	signed := func(text string) string {
		raw, err := note.Sign(&note.Note{Text: text}, l.signers[0])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	root := Hash(l.root(0, 3)).String()
	for _, row := range []struct{ name, raw string }{
		{"a size with a zero before it", signed(origin + "\n03\n" + root + "\n")},
		{"a negative size", signed(origin + "\n-3\n" + root + "\n")},
		{"an extension line", signed(origin + "\n3\n" + root + "\nmore\n")},
		{"a root that is too short", signed(origin + "\n3\nAAAA\n")},
		{"no root", signed(origin + "\n3\n")},
		{"another log", signed("elsewhere.example/log\n3\n" + root + "\n")},
		{"a signature line twice", good + good[strings.LastIndex(good, "— "):]},
		{"no signature", good[:strings.LastIndex(good, "— ")]},
		{"no line end", strings.TrimSuffix(good, "\n")},
	} {
		t.Run(row.name, func(t *testing.T) {
			if c, err := OpenCheckpoint([]byte(row.raw), v); err == nil {
				t.Fatalf("accepted as %+v", c)
			}
		})
	}
	if _, err := OpenCheckpoint([]byte(good), v); err != nil {
		t.Fatal(err)
	}
}

// TestSignatureLinesOfUnknownKeys: https://c2sp.org/signed-note#signatures. Lines of keys that
// were not given are passed over, "even if they share a name or ID (but not both) with a known
// key"; a bad line of a key that was given is not, nor is a note without a line of one.
func TestSignatureLinesOfUnknownKeys(t *testing.T) {
	l := newLog(3)
	good, v := l.checkpoint(), l.signers[0].Verifier
	text, own, _ := strings.Cut(good, "\n\n")
	text += "\n\n"
	line := func(name string, id uint32, rest string) string {
		raw := append(binary.BigEndian.AppendUint32(nil, id), rest...)
		return "— " + name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	}
	stranger := line("witness.example/w1", 7, strings.Repeat("s", 72))
	for _, row := range []struct {
		name, raw string
		want      error
	}{
		{"a line of an unknown key after it", good + stranger, nil},
		{"a line of an unknown key before it", text + stranger + own, nil},
		{"the name of the log and another id", good + line(origin, v.KeyHash()+1, "x"), nil},
		{"the id of the log's key and another name", good + line("x"+origin, v.KeyHash(), "x"), nil},
		{"a line of post-quantum length", good + line("pq.example", 6, strings.Repeat("s", 5000)), nil},
		{"an unknown key that signs twice", good + stranger + stranger, nil},
		{"16 lines", good + strings.Repeat(stranger, 15), nil},
		{"the bound", good + strings.Repeat(stranger, maxSignatures-1), nil},
		{"one line beyond the bound", good + strings.Repeat(stranger, maxSignatures), ErrForm},
		{"a note that is too long", good + strings.Repeat(line("pq.example", 6, strings.Repeat("s", 9000)), 30), ErrForm},
		{"no line of a known key", text + stranger, ErrUnknownKey},
		{"a bad signature of the known key", text + line(origin, v.KeyHash(), strings.Repeat("s", 64)) + stranger, ErrSignature},
		{"a bad signature of the known key beside a good one", good + line(origin, v.KeyHash(), strings.Repeat("s", 64)), ErrForm},
		{"a bad signature of the known key before a good one", text + line(origin, v.KeyHash(), "s") + own, ErrSignature},
		{"an unknown line without a signature", good + "— stranger.example\n", ErrForm},
		{"an unknown line whose signature is no base64", good + "— stranger.example !!!!\n", ErrForm},
		{"an unknown line with bits beyond its end", good + "— stranger.example AAAAAAB=\n", ErrForm},
		{"an unknown line that is shorter than a key id", good + "— stranger.example AAAA\n", ErrForm},
		{"a line that is no signature", good + "stranger.example AAAAAAAA\n", ErrForm},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := OpenCheckpoint([]byte(row.raw), v)
			if !errors.Is(err, row.want) || err == nil && (c.Size != 3 || c.Origin != origin) {
				t.Fatalf("got %+v, %v, want %v", c, err, row.want)
			}
			f := l.file(1)
			f.Inclusion.Checkpoint = row.raw
			if r := Verify(f.Marshal(), l.vkeys()); r.OK() != (row.want == nil) {
				t.Errorf("as a proof file: verified %v", r.OK())
			}
		})
	}
	if raw := string(l.export(t, 100, 1)); Verify([]byte(raw+stranger), l.vkeys()).OK() {
		t.Error("a stranger's line under the manifest of an export is passed over")
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	l := newLog(3)
	v := l.signers[0].Verifier
	f.Add([]byte(l.checkpoint()))
	f.Add([]byte(l.checkpoint() + "— witness.example AAAAAAAA\n"))
	f.Add([]byte(origin + "\n3\nAAAA\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := OpenCheckpoint(raw, v)
		if err == nil && c.text() != origin+"\n3\n"+Hash(l.root(0, 3)).String()+"\n" {
			t.Fatalf("a forgery is taken: %q", raw)
		}
	})
}

func FuzzVerify(f *testing.F) {
	for _, raw := range samples(f) {
		f.Add(raw)
	}
	good := samples(f)
	trusted := []string{newSigner(origin, 1).vkey}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if file, err := Unmarshal(raw); err == nil && !bytes.Equal(file.Marshal(), raw) {
			t.Fatal("accepted, and written again another file")
		}
		if !Verify(raw, trusted).OK() {
			return
		}
		for _, sample := range good { // nobody but the samples' log signs with this key
			if bytes.Equal(raw, sample) {
				return
			}
		}
		t.Fatalf("a forgery verifies:\n%s", raw)
	})
}
