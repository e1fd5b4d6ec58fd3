package proof

import (
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

	"hopnhat/authz/audit/commitment"
)

// Export is what an auditor takes away: the result of a query, and every entry
// of the log between the first and the last event of it. An entry that is not
// shown is there as its leaf, which tells its type and nothing else; so the
// export proves that no entry was left out, and of which types those are that it
// does not show. That an entry of a matching type does not match the query is
// the exporter's word, which the manifest signs.
type Export struct {
	// Keys are the verifier keys that signed checkpoints and manifest.
	Keys []string
	// Query is the query, canonical JSON.
	Query []byte
	Made  time.Time
	// Segments are stretches of the log, in order, that do not touch. One segment
	// means that nothing between the first and the last event is missing; of what
	// is between two segments nothing is said.
	Segments []Segment
}

// Segment is a stretch of the log and the events of it that are shown.
type Segment struct {
	Range
	Shown map[uint64]Record // by place
}

const (
	exportHead   = "hopnhat-export@v1"
	manifestHead = "hopnhat-export-manifest@v1"
	maxExport    = 256 << 20
)

// Prover proves stretches of a log.
type Prover interface {
	RangeProof(ctx context.Context, first, last uint64) (Range, error)
}

// Assemble makes an export of events, given by their places in the log. Where
// the first and the last are no more than whole entries apart, all between are in
// one segment; otherwise each run of neighbours is a segment of its own.
func Assemble(ctx context.Context, log Prover, query []byte, made time.Time, shown map[uint64]Record, whole uint64) (Export, error) {
	e := Export{Query: query, Made: made.UTC().Truncate(time.Second)}
	places := slices.Sorted(maps.Keys(shown))
	for len(places) > 0 {
		n := len(places)
		if places[n-1]-places[0] >= whole {
			for n = 1; n < len(places) && places[n] == places[n-1]+1; n++ {
			}
		}
		proved, err := log.RangeProof(ctx, places[0], places[n-1])
		if err != nil {
			return Export{}, fmt.Errorf("proving entries %d to %d: %w", places[0], places[n-1], err)
		}
		s := Segment{Range: proved, Shown: map[uint64]Record{}}
		for _, place := range places[:n] {
			s.Shown[place] = shown[place]
		}
		for _, key := range proved.Keys {
			if !slices.Contains(e.Keys, key) {
				e.Keys = append(e.Keys, key)
			}
		}
		e.Segments, places = append(e.Segments, s), places[n:]
	}
	return e, nil
}

// Coverage is what an export covers.
type Coverage struct {
	First, Last uint64 // zero when the export is empty
	Segments    int
	Shown       int
	// Unshown counts the entries inside the segments that are not shown, by type.
	Unshown map[string]int
	// Duplicates counts leaves that stand there more than once: traces of crashes.
	Duplicates int
}

// Coverage counts what the export covers.
func (e Export) Coverage() Coverage {
	c := Coverage{Segments: len(e.Segments), Unshown: map[string]int{}}
	seen := map[string]bool{}
	for i, s := range e.Segments {
		if i == 0 {
			c.First = s.First
		}
		c.Last = s.Last()
		c.Shown += len(s.Shown)
		for j, leaf := range s.Leaves {
			if seen[string(leaf)] {
				c.Duplicates++
			}
			seen[string(leaf)] = true
			if _, shown := s.Shown[s.First+uint64(j)]; shown {
				continue
			}
			eventType, _, err := commitment.ParseLeaf(leaf)
			if err != nil {
				eventType = "unknown"
			}
			c.Unshown[eventType]++
		}
	}
	return c
}

// Text says in one language what is covered.
func (c Coverage) Text(lang string) string {
	vi := lang == "vi"
	var types []string
	for _, t := range slices.Sorted(maps.Keys(c.Unshown)) {
		types = append(types, fmt.Sprintf("%s %d", t, c.Unshown[t]))
	}
	others := strings.Join(types, ", ")
	if others == "" {
		others = "0"
	}
	switch {
	case c.Segments == 0 && vi:
		return "không có sự kiện nào"
	case c.Segments == 0:
		return "no events"
	case vi:
		text := fmt.Sprintf("trình ra %d sự kiện, mục %d đến %d; mục không trình ra, theo loại: %s; mục lặp lại: %d", c.Shown, c.First, c.Last, others, c.Duplicates)
		if c.Segments > 1 {
			text += fmt.Sprintf("; gồm %d đoạn, không khẳng định gì về các mục ở giữa", c.Segments)
		}
		return text
	default:
		text := fmt.Sprintf("%d events shown, entries %d to %d; entries not shown, by type: %s; entries that stand twice: %d", c.Shown, c.First, c.Last, others, c.Duplicates)
		if c.Segments > 1 {
			text += fmt.Sprintf("; in %d segments, nothing is said of the entries between them", c.Segments)
		}
		return text
	}
}

// body is the export without its signed manifest.
func (e Export) body() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nvi Bản xuất của kiểm toán viên: %s\nen Auditor's export: %s\n", exportHead, e.Coverage().Text("vi"), e.Coverage().Text("en"))
	writeKeys(&b, e.Keys)
	fmt.Fprintf(&b, "query %s\nmade %s\n", e.Query, e.Made.Format(time.RFC3339))
	for _, s := range e.Segments {
		fmt.Fprintf(&b, "segment %d %d\n", s.First, s.Last())
		for i, leaf := range s.Leaves {
			place := s.First + uint64(i)
			fmt.Fprintf(&b, "leaf %s\n", base64.StdEncoding.EncodeToString(leaf))
			if record, shown := s.Shown[place]; shown {
				record.marshal(&b)
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
	return b.String()
}

// manifest is the text that is signed: digests of all the rest.
func (e Export) manifest(body string) string {
	c := e.Coverage()
	content, query := sha256.Sum256([]byte(body)), sha256.Sum256(e.Query)
	return fmt.Sprintf("%s\ncontent-sha256 %s\nquery-sha256 %s\nevents %d\nentries %d %d\nsegments %d\n", manifestHead,
		hex.EncodeToString(content[:]), hex.EncodeToString(query[:]), c.Shown, c.First, c.Last, c.Segments)
}

// Marshal writes the one form of an export; sign makes a signed note of the
// manifest with the log's key (see tlog.Log.Sign), vkeys are the keys it signs
// with.
func (e Export) Marshal(sign func(text string) ([]byte, error), vkeys ...string) ([]byte, error) {
	for _, key := range vkeys {
		if !slices.Contains(e.Keys, key) {
			e.Keys = append(slices.Clone(e.Keys), key)
		}
	}
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
	if len(raw) > maxExport {
		return fail(fmt.Errorf("it has %d bytes, more than %d: %w", len(raw), maxExport, ErrForm))
	}
	body, manifest, ok := strings.Cut(string(raw), "\n\n")
	if !ok {
		return fail(fmt.Errorf("the manifest is missing: %w", ErrForm))
	}
	body += "\n"
	in := newLines(body)
	if first, err := in.must(exportHead); err != nil || first != "" {
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
	for len(in.rest) > 0 {
		s, err := readSegment(in)
		if err != nil {
			return fail(err)
		}
		if n := len(e.Segments); n > 0 && s.First <= e.Segments[n-1].Last() {
			return fail(in.wrong("the segments overlap", ErrForm))
		}
		e.Segments = append(e.Segments, s)
	}
	if e.body() != body {
		return fail(fmt.Errorf("its bytes differ from what would be written: %w", ErrForm))
	}
	return e, body, manifest, nil
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
	all, ok := r.keys(e.Keys, trusted)
	if !ok {
		return r
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
	for _, s := range e.Segments {
		checkpoint, err := OpenCheckpoint([]byte(s.Checkpoint), all...)
		if err == nil && len(trusted) > 0 {
			err = signedByTrusted(s.Checkpoint, e.Keys, trusted)
		}
		if err == nil {
			err = s.Check(checkpoint)
		}
		if !r.step(fmt.Sprintf("Các mục %d đến %d nằm trong nhật ký, không thiếu mục nào", s.First, s.Last()),
			fmt.Sprintf("Entries %d to %d are in the log, none missing", s.First, s.Last()), err) || !r.witnessed(s.Checkpoint, t) {
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
