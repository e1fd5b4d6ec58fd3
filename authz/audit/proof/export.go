package proof

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/commitment"
)

// Export is what an auditor takes away: the result of a query, and every entry
// of the log between the first and the last event of it. An entry that is not
// shown is there as its leaf, which tells its type and nothing else; so the
// export proves that no entry was left out, and of which types those are that it
// does not show. That an entry of a matching type does not match the query is
// the exporter's word, which the manifest signs.
//
// An export of the second form is of several shards. What the query found and the log does
// not prove is said, too: events without a place, which are carried, and rows that are not
// genuine, which are named. The manifest counts all of them, and a verifier counts again.
type Export struct {
	// Keys are the verifier keys that signed checkpoints and manifest.
	Keys []string
	// Query is the query, canonical JSON.
	Query []byte
	Made  time.Time
	// Total is how many events the query found.
	Total int
	// Segments are stretches of the log, in order, that do not overlap. One segment
	// means that nothing between the first and the last event is missing; of what
	// is between two segments nothing is said.
	Segments []Segment
	// Unlogged are events that have no place in the log yet.
	Unlogged []Record
	// Faulty are rows that are not genuine.
	Faulty []Faulty

	first bool // of the first form, of one shard
}

// Faulty is a row of the database that is no evidence: its id, and a word for why.
type Faulty struct{ ID, Why string }

// Found is what a query found, of which an export is made.
type Found struct {
	Total int
	// Placed are the events with a place. One that the log does not hold there is [Faulty].
	Placed   []Placed
	Unlogged []Record
	Faulty   []Faulty
}

// Placed is an event and its place in a shard.
type Placed struct {
	ID, Origin string
	Index      uint64
	Record     Record
}

// Segment is a stretch of the log and the events of it that are shown.
type Segment struct {
	Range
	// Origin is the shard; empty in the first form.
	Origin string
	Shown  map[uint64]Record // by place
}

const (
	exportHead   = "hopnhat-export@v2"
	manifestHead = "hopnhat-export-manifest@v2"
	firstHead    = "hopnhat-export@v1" // of exports that were made before
	firstList    = "hopnhat-export-manifest@v1"
)

// MaxExport is how many bytes an export may have.
const MaxExport = 256 << 20

// Prover proves stretches of a log.
type Prover interface {
	RangeProof(ctx context.Context, first, last uint64) (Range, error)
}

// Assemble makes an export of what a query found; shard gives the prover of a shard. Where
// the first and the last event of a shard are no more than whole entries apart, all between
// are in one segment; otherwise each run of neighbours is a segment of its own.
func Assemble(
	ctx context.Context, shard func(origin string) (Prover, error), query []byte, made time.Time, found Found, whole uint64,
) (Export, error) {
	e := Export{
		Query: query, Made: made.UTC().Truncate(time.Second), Total: found.Total, Unlogged: found.Unlogged, Faulty: found.Faulty,
	}
	shards := map[string]map[uint64][]Placed{}
	for _, p := range found.Placed {
		if shards[p.Origin] == nil {
			shards[p.Origin] = map[uint64][]Placed{}
		}
		shards[p.Origin][p.Index] = append(shards[p.Origin][p.Index], p)
	}
	for _, origin := range slices.Sorted(maps.Keys(shards)) {
		log, err := shard(origin)
		if err != nil {
			return Export{}, fmt.Errorf("reading shard %s: %w", origin, err)
		}
		if err := e.assemble(ctx, log, origin, shards[origin], whole); err != nil {
			return Export{}, err
		}
	}
	return e, nil
}

// Misplaced is the word for a row of which the log does not hold at its place what it says.
const Misplaced = "misplaced"

func (e *Export) assemble(ctx context.Context, log Prover, origin string, at map[uint64][]Placed, whole uint64) error {
	places := slices.Sorted(maps.Keys(at))
	all := len(places) > 0 && places[len(places)-1]-places[0] < whole
	for len(places) > 0 {
		n := len(places)
		if !all {
			for n = 1; n < len(places) && places[n] == places[n-1]+1; n++ {
			}
		}
		proved, err := log.RangeProof(ctx, places[0], places[n-1])
		if err != nil {
			return fmt.Errorf("proving entries %d to %d of %s: %w", places[0], places[n-1], origin, err)
		}
		s, faulty := segment(proved, origin, places[:n], at)
		e.Faulty, e.Keys = append(e.Faulty, faulty...), withKeys(e.Keys, proved.Keys)
		e.Segments, places = append(e.Segments, s), places[n:]
	}
	return nil
}

// segment shows what is found in a stretch of a shard; what the log does not hold at its place
// is faulty.
func segment(proved Range, origin string, places []uint64, at map[uint64][]Placed) (s Segment, faulty []Faulty) {
	s = Segment{Range: proved, Origin: origin, Shown: map[uint64]Record{}}
	for _, place := range places {
		for _, p := range at[place] {
			if _, taken := s.Shown[place]; taken || p.Record.check(s.Leaves[place-s.First]) != nil {
				faulty = append(faulty, Faulty{p.ID, Misplaced})
				continue
			}
			s.Shown[place] = p.Record
		}
	}
	return s, faulty
}

// withKeys adds those that are not there.
func withKeys(keys, more []string) []string {
	for _, key := range more {
		if !slices.Contains(keys, key) {
			keys = append(slices.Clone(keys), key)
		}
	}
	return keys
}

// body is the export without its signed manifest.
func (e Export) body() string {
	var b strings.Builder
	e.head(&b, e.Coverage())
	for i, s := range e.Segments {
		if !e.first && (i == 0 || e.Segments[i-1].Origin != s.Origin) {
			b.WriteString("shard " + s.Origin + "\n")
		}
		s.marshal(&b)
	}
	for _, record := range e.Unlogged {
		record.marshalUnlogged(&b)
	}
	for _, f := range e.Faulty {
		f.marshal(&b)
	}
	return b.String()
}

// head is what stands before the segments.
func (e Export) head(b *strings.Builder, c Coverage) {
	head := exportHead
	if e.first {
		head = firstHead
	}
	fmt.Fprintf(b, "%s\nvi Bản xuất của kiểm toán viên: %s\nen Auditor's export: %s\n", head, c.Text("vi"), c.Text("en"))
	writeKeys(b, e.Keys)
	fmt.Fprintf(b, "query %s\nmade %s\n", e.Query, e.Made.Format(time.RFC3339))
	if !e.first {
		fmt.Fprintf(b, "found %d\n", e.Total)
	}
}

func (s Segment) marshal(b *strings.Builder) {
	fmt.Fprintf(b, "segment %d %d\n", s.First, s.Last())
	for i, leaf := range s.Leaves {
		fmt.Fprintf(b, "leaf %s\n", base64.StdEncoding.EncodeToString(leaf))
		if record, shown := s.Shown[s.First+uint64(i)]; shown {
			record.marshal(b)
		}
	}
	for _, h := range s.Head {
		b.WriteString("head " + h.String() + "\n")
	}
	for _, h := range s.Tail {
		b.WriteString("tail " + h.String() + "\n")
	}
	for _, line := range strings.Split(strings.TrimSuffix(s.Checkpoint, "\n"), "\n") {
		b.WriteString("checkpoint " + line + "\n")
	}
}

func (r Record) marshalUnlogged(b *strings.Builder) {
	b.WriteString("unlogged\n")
	r.marshal(b)
}

func (f Faulty) marshal(b *strings.Builder) {
	b.WriteString("faulty " + word(f.ID) + " " + word(f.Why) + "\n")
}

// word keeps what a row that is not genuine is called in its line.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '?'
	}, s[:min(len(s), 64)])
}

// manifest is the text that is signed: digests of all the rest.
func (e Export) manifest(body string) string {
	c := e.Coverage()
	if !e.first {
		return e.list(sha256.Sum256([]byte(body)), c)
	}
	content, query := sha256.Sum256([]byte(body)), sha256.Sum256(e.Query)
	return fmt.Sprintf("%s\ncontent-sha256 %s\nquery-sha256 %s\nevents %d\nentries %d %d\nsegments %d\n", firstList,
		hex.EncodeToString(content[:]), hex.EncodeToString(query[:]), c.Shown, c.First, c.Last, c.Segments)
}

// list is the manifest of the second form, with what is counted of each shard.
func (e Export) list(content [sha256.Size]byte, c Coverage) string {
	query := sha256.Sum256(e.Query)
	text := fmt.Sprintf("%s\ncontent-sha256 %s\nquery-sha256 %s\nfound %d\nevents %d\nunlogged %d\nfaulty %d\nshards %d\n", manifestHead,
		hex.EncodeToString(content[:]), hex.EncodeToString(query[:]), c.Total, c.Shown, c.Unlogged, c.Faulty, len(c.Shards))
	for _, one := range c.Shards {
		text += fmt.Sprintf("shard %s events %d entries %d %d segments %d\n", one.Origin, one.Shown, one.First, one.Last, one.Segments)
	}
	return text
}

// Marshal writes the one form of an export; sign makes a signed note of the
// manifest with the log's key (see tlog.Log.Sign), vkeys are the keys it signs
// with.
func (e Export) Marshal(sign func(text string) ([]byte, error), vkeys ...string) ([]byte, error) {
	e.Keys = withKeys(e.Keys, vkeys)
	e.first = false
	body := e.body()
	signed, err := sign(e.manifest(body))
	if err != nil {
		return nil, fmt.Errorf("signing the manifest of an export: %w", err)
	}
	return []byte(body + "\n" + string(signed)), nil
}

// UnmarshalExport reads an export and the signed note of its manifest. It does
// not verify: see [Verify].
func UnmarshalExport(raw []byte) (e Export, manifest string, err error) {
	e, _, manifest, err = unmarshalExport(raw)
	return e, manifest, err
}

func unmarshalExport(raw []byte) (e Export, body, manifest string, err error) {
	fail := func(err error) (Export, string, string, error) {
		return Export{}, "", "", fmt.Errorf("reading an export: %w", err)
	}
	if len(raw) > MaxExport {
		return fail(fmt.Errorf("it has %d bytes, more than %d: %w", len(raw), MaxExport, ErrForm))
	}
	body, manifest, ok := strings.Cut(string(raw), "\n\n")
	if !ok {
		return fail(fmt.Errorf("the manifest is missing: %w", ErrForm))
	}
	body += "\n"
	in := newLines(body)
	head, _ := in.take("")
	if e.first = head == firstHead; !e.first && head != exportHead {
		return fail(fmt.Errorf("the first line is not %q: %w", exportHead, ErrForm))
	}
	takeWords(in)
	if e.Keys, err = takeKeys(in); err != nil {
		return fail(err)
	}
	query, err := in.must("query ")
	if err != nil {
		return fail(err)
	}
	if _, err := commitment.ParseObject([]byte(query)); err != nil {
		return fail(in.wrong("the query", err))
	}
	e.Query = []byte(query)
	made, err := in.must("made ")
	if err != nil {
		return fail(err)
	}
	if e.Made, err = time.Parse(time.RFC3339, made); err != nil {
		return fail(in.wrong("the time", err))
	}
	if err := e.readRest(in); err != nil {
		return fail(err)
	}
	if e.body() != body {
		return fail(fmt.Errorf("its bytes differ from what would be written: %w", ErrForm))
	}
	return e, body, manifest, nil
}

// readRest reads what was found.
func (e *Export) readRest(in *lines) (err error) {
	if !e.first {
		total, err := in.must("found ")
		if err != nil {
			return err
		}
		if e.Total, err = strconv.Atoi(total); err != nil || e.Total < 0 {
			return in.wrong("how many were found", ErrForm)
		}
	}
	origin, after := "", ""
	for len(in.rest) > 0 && !strings.HasPrefix(in.rest[0], "unlogged") && !strings.HasPrefix(in.rest[0], "faulty ") {
		if next, ok := in.take("shard "); ok {
			if e.first || next <= origin { // in their order, each once
				return in.wrong("the shard", ErrForm)
			}
			origin, after = next, next
		} else if !e.first && origin == "" {
			return in.wrong("a segment of no shard", ErrForm)
		}
		s, err := readSegment(in)
		if err != nil {
			return err
		}
		s.Origin = origin
		n := len(e.Segments)
		if n > 0 && after == "" && s.First <= e.Segments[n-1].Last() {
			return in.wrong("the segments overlap", ErrForm)
		}
		e.Segments, after = append(e.Segments, s), ""
	}
	for len(in.rest) > 0 && !e.first {
		if f, ok := in.take("faulty "); ok {
			id, why, _ := strings.Cut(f, " ")
			e.Faulty = append(e.Faulty, Faulty{id, why})
			continue
		}
		if _, err := in.must("unlogged"); err != nil {
			return err
		}
		record, ok, err := readRecord(in)
		if err != nil || !ok {
			return in.wrong("an event that is not logged", cmp.Or(err, ErrForm))
		}
		e.Unlogged = append(e.Unlogged, record)
	}
	if len(in.rest) > 0 {
		return fmt.Errorf("line %d does not belong there: %w", in.n+1, ErrForm)
	}
	return nil
}

func readSegment(in *lines) (Segment, error) {
	head, err := in.must("segment ")
	if err != nil {
		return Segment{}, err
	}
	from, to, _ := strings.Cut(head, " ")
	first, err1 := strconv.ParseUint(from, 10, 62)
	last, err2 := strconv.ParseUint(to, 10, 62)
	if err := errors.Join(err1, err2); err != nil || last < first || last-first >= uint64(len(in.rest)) {
		return Segment{}, in.wrong("the segment", ErrForm)
	}
	s := Segment{Range: Range{First: first}, Shown: map[uint64]Record{}}
	for place := first; place <= last; place++ {
		stated, err := in.must("leaf ")
		if err != nil {
			return Segment{}, err
		}
		leaf, err := base64.StdEncoding.Strict().DecodeString(stated)
		if err != nil {
			return Segment{}, in.wrong("the leaf", err)
		}
		s.Leaves = append(s.Leaves, leaf)
		record, shown, err := readRecord(in)
		if err != nil {
			return Segment{}, err
		}
		if shown {
			s.Shown[place] = record
		}
	}
	for _, path := range []struct {
		prefix string
		into   *[]Hash
	}{{"head ", &s.Head}, {"tail ", &s.Tail}} {
		for {
			line, ok := in.take(path.prefix)
			if !ok {
				break
			}
			h, err := parseHash(line)
			if err != nil {
				return Segment{}, in.wrong("a hash", err)
			}
			*path.into = append(*path.into, h)
		}
	}
	for {
		line, ok := in.take("checkpoint ")
		if !ok {
			break
		}
		s.Checkpoint += line + "\n"
	}
	if _, err := ParseCheckpoint([]byte(s.Checkpoint)); err != nil {
		return Segment{}, in.wrong("the checkpoint", err)
	}
	return s, nil
}

func verifyExport(raw []byte, t Trust) Report {
	var r Report
	trusted := t.Keys
	e, body, manifest, err := unmarshalExport(raw)
	if !r.step("Cấu trúc tệp", "Structure of the file", err) {
		return r
	}
	all, ok := r.keys(e.Keys, trusted, e.first, "", "")
	if !ok {
		return r
	}
	of := func(origin string) (of []note.Verifier) {
		for _, v := range all {
			if e.first || v.Name() == origin {
				of = append(of, v)
			}
		}
		return of
	}
	unknown, err := openNote([]byte(manifest), all...)
	if unknown > 0 { // the manifest is the exporter's own, and names all its keys
		err = ErrUnknownKey
	}
	if err == nil && len(trusted) > 0 {
		err = signedByTrusted(manifest, e.Keys, trusted)
	}
	if !r.step("Chữ ký của bảng kê", "Signature of the manifest", err) {
		return r
	}
	if text, _, _ := strings.Cut(manifest, "\n\n"); text+"\n" != e.manifest(body) {
		err = ErrManifest
	}
	if !r.step("Nội dung khớp với bảng kê", "The content is what the manifest says", err) {
		return r
	}
	if !e.first {
		counted := len(e.Unlogged) + len(e.Faulty)
		for _, s := range e.Segments {
			counted += len(s.Shown)
		}
		if counted != e.Total {
			err = fmt.Errorf("the query found %d, and %d are in the file: %w", e.Total, counted, ErrCounts)
		}
		if !r.step("Tệp có đủ mọi sự kiện mà truy vấn tìm thấy", "All events that the query found are in the file", err) {
			return r
		}
	}
	for _, s := range e.Segments {
		checkpoint, err := OpenCheckpoint([]byte(s.Checkpoint), of(s.Origin)...)
		if err == nil && !e.first && checkpoint.Origin != s.Origin {
			err = fmt.Errorf("the checkpoint is of %q and not of %q: %w", checkpoint.Origin, s.Origin, ErrManifest)
		}
		if err == nil && len(trusted) > 0 {
			err = signedByTrusted(s.Checkpoint, e.Keys, trusted)
		}
		if err == nil {
			err = s.Check(checkpoint)
		}
		where := ""
		if s.Origin != "" {
			where = " (" + s.Origin + ")"
		}
		if !r.step(fmt.Sprintf("Các mục %d đến %d nằm trong nhật ký, không thiếu mục nào%s", s.First, s.Last(), where),
			fmt.Sprintf("Entries %d to %d are in the log, none missing%s", s.First, s.Last(), where), err) || !r.witnessed(s.Checkpoint, t) {
			return r
		}
	}
	var events []commitment.Disclosure
	for _, s := range e.Segments {
		for _, place := range slices.Sorted(maps.Keys(s.Shown)) {
			err := s.Shown[place].check(s.Leaves[place-s.First])
			if err != nil {
				r.step(fmt.Sprintf("Sự kiện ở mục %d", place), fmt.Sprintf("The event of entry %d", place), err)
				return r
			}
			d, _ := s.Shown[place].disclosure()
			events = append(events, d)
		}
	}
	r.step(fmt.Sprintf("%d sự kiện khớp với mục của chúng", len(events)), fmt.Sprintf("%d events give their entries", len(events)), nil)
	covered := e.Coverage()
	r.Events, r.Coverage = events, &covered
	return r
}

// signedByTrusted: of the keys named, at least one that is trusted signed.
func signedByTrusted(signed string, named, trusted []string) error {
	for _, key := range SignedBy(signed, named) {
		if slices.Contains(trusted, key) {
			return nil
		}
	}
	return fmt.Errorf("none of the trusted keys signed: %w", ErrUnknownKey)
}
