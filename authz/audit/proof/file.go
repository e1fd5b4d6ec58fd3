package proof

import (
	"encoding/base64"
	"fmt"
	"strings"

	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/wording"
)

// File is a proof to take away: one event and its place in the log.
type File struct {
	// LogKey is the C2SP verifier key of the log, MoreKeys those that signed the
	// checkpoint beside it while a key was exchanged.
	LogKey   string
	MoreKeys []string

	Event []byte // canonical event, when the whole is shown
	Salt  commitment.Salt
	// Disclosed are the groups shown, when not the whole is; Event and Salt are
	// then empty.
	Disclosed *commitment.Disclosure

	Inclusion Inclusion
}

const (
	fileHead = "hopnhat-proof@v1"
	maxFile  = 256 << 10
)

func (f File) record() Record { return Record{f.Event, f.Salt, f.Disclosed} }

// keys are the log keys that the file names: those that signed the checkpoint,
// where whoever made the proof says so.
func (f File) keys() []string {
	if len(f.Inclusion.Keys) > 0 {
		return f.Inclusion.Keys
	}
	return append([]string{f.LogKey}, f.MoreKeys...)
}

// Marshal writes the one form of a proof file: lines for readers, keys, the
// record, the leaf, and a C2SP tlog-proof.
func (f File) Marshal() []byte {
	d, err := f.record().disclosure()
	if err != nil { // what has no form has no words, and does not verify
		return f.marshal("", nil)
	}
	return f.marshal(wording.Summary(d), d.Leaf())
}

func (f File) marshal(words string, leaf []byte) []byte {
	var b strings.Builder
	b.WriteString(fileHead + "\n" + words)
	writeKeys(&b, f.keys())
	f.record().marshal(&b)
	fmt.Fprintf(&b, "leaf %s\n\n", base64.StdEncoding.EncodeToString(leaf))
	f.Inclusion.marshal(&b)
	return []byte(b.String())
}

func writeKeys(b *strings.Builder, keys []string) {
	for _, key := range keys {
		b.WriteString("log-key " + key + "\n")
	}
}

// Unmarshal reads a proof file. What is not byte for byte as Marshal writes it
// is refused. It does not verify: see [Verify].
func Unmarshal(raw []byte) (File, error) {
	f, readable, leaf, err := unmarshal(raw)
	if err != nil {
		return File{}, err
	}
	d, err := f.record().disclosure()
	if err != nil || readable != wording.Summary(d) || string(leaf) != string(d.Leaf()) {
		return File{}, fmt.Errorf("reading a proof file: its parts do not belong together: %w", ErrForm)
	}
	return f, nil
}

// unmarshal reads a file whose parts may not belong together: it gives the words
// and the leaf as they stand there, so that verification can name the part that
// was changed.
func unmarshal(raw []byte) (f File, readable string, leaf []byte, err error) {
	fail := func(err error) (File, string, []byte, error) {
		return File{}, "", nil, fmt.Errorf("reading a proof file: %w", err)
	}
	if len(raw) > maxFile {
		return fail(fmt.Errorf("it has %d bytes, more than %d: %w", len(raw), maxFile, ErrForm))
	}
	head, rest, ok := strings.Cut(string(raw), "\n\n")
	if !ok {
		return fail(fmt.Errorf("the part after the empty line is missing: %w", ErrForm))
	}
	in := newLines(head)
	if first, err := in.must(fileHead); err != nil || first != "" {
		return fail(fmt.Errorf("the first line is not %q: %w", fileHead, ErrForm))
	}
	readable = takeWords(in)
	keys, err := takeKeys(in)
	if err != nil {
		return fail(err)
	}
	f.LogKey, f.MoreKeys = keys[0], keys[1:]
	record, ok, err := readRecord(in)
	if err != nil {
		return fail(err)
	}
	if !ok {
		return fail(fmt.Errorf("line %d begins no event: %w", in.n+1, ErrForm))
	}
	f.Event, f.Salt, f.Disclosed = record.Event, record.Salt, record.Disclosed
	stated, err := in.must("leaf ")
	if err != nil {
		return fail(err)
	}
	if leaf, err = base64.StdEncoding.Strict().DecodeString(stated); err != nil {
		return fail(in.wrong("the leaf", err))
	}
	if _, _, err = commitment.ParseLeaf(leaf); err != nil {
		return fail(in.wrong("the leaf", err))
	}
	if len(in.rest) > 0 {
		return fail(fmt.Errorf("line %d does not belong there: %w", in.n+1, ErrForm))
	}
	if f.Inclusion, err = parseInclusion(rest); err != nil {
		return fail(err)
	}
	if _, err := ParseCheckpoint([]byte(f.Inclusion.Checkpoint)); err != nil {
		return fail(err)
	}
	if _, err := record.disclosure(); err != nil {
		return fail(fmt.Errorf("the event: %w: %w", ErrForm, err))
	}
	if string(f.marshal(readable, leaf)) != string(raw) {
		return fail(fmt.Errorf("its bytes differ from what would be written: %w", ErrForm))
	}
	return f, readable, leaf, nil
}

func takeWords(in *lines) string {
	var b strings.Builder
	for _, lang := range []string{"vi ", "en "} {
		for {
			line, ok := in.take(lang)
			if !ok {
				break
			}
			b.WriteString(lang + line + "\n")
		}
	}
	return b.String()
}

// maxKeys bounds the keys of a file: an export has those of its shards.
const maxKeys = 64

func takeKeys(in *lines) ([]string, error) {
	var keys []string
	for len(keys) < maxKeys {
		key, ok := in.take("log-key ")
		if !ok {
			break
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		_, err := in.must("log-key ")
		return nil, err
	}
	return keys, nil
}
