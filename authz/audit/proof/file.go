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

	// Ground is what the file says of the consent that a release rests on, Given the event by
	// which it was given, as a file of its own; only where that is proved.
	Ground Ground
	Given  *File
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
// record, the leaf, and a C2SP tlog-proof; of a release the same of its consent behind it.
func (f File) Marshal() []byte {
	words, leaf := f.words()
	if f.Ground == "" {
		return f.marshal(fileHead+"\n"+words, leaf)
	}
	var givenWords string
	var givenLeaf []byte
	if f.Given != nil {
		givenWords, givenLeaf = f.Given.words()
	}
	return f.marshalGround(words, leaf, f.groundWords(), givenWords, givenLeaf)
}

// words are the lines for readers of the event, and its leaf. What has no form has none, and
// does not verify.
func (f File) words() (string, []byte) {
	d, err := f.record().disclosure()
	if err != nil {
		return "", nil
	}
	return wording.Summary(d), d.Leaf()
}

// marshal writes a file behind its first lines.
func (f File) marshal(first string, leaf []byte) []byte {
	var b strings.Builder
	b.WriteString(first)
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
	r, err := unmarshal(raw)
	if err != nil {
		return File{}, err
	}
	if string(r.Marshal()) != string(raw) {
		return File{}, fmt.Errorf("reading a proof file: its parts do not belong together: %w", ErrForm)
	}
	return r.File, nil
}

// read is a file whose parts may not belong together: it has the words and the leaf as
// they stand there, so that verification can name the part that was changed.
type read struct {
	File
	words, ground string
	leaf          []byte
	given         *read
}

func unmarshal(raw []byte) (r read, err error) {
	if len(raw) > maxFile {
		return read{}, fmt.Errorf("reading a proof file: it has %d bytes, more than %d: %w", len(raw), maxFile, ErrForm)
	}
	var again []byte
	if strings.HasPrefix(string(raw), releaseHead+"\n") {
		if r, err = unmarshalGround(raw); err == nil {
			var of read
			if r.given != nil {
				of = *r.given
			}
			again = r.marshalGround(r.words, r.leaf, r.ground, of.words, of.leaf)
		}
	} else if r, err = unmarshalPart(string(raw), fileHead, false); err == nil {
		again = r.marshal(fileHead+"\n"+r.words, r.leaf)
	}
	if err == nil && string(again) != string(raw) {
		err = fmt.Errorf("reading a proof file: its bytes differ from what would be written: %w", ErrForm)
	}
	return r, err
}

// unmarshalPart reads what marshal writes, behind a first line.
func unmarshalPart(text, first string, grounded bool) (r read, err error) {
	fail := func(err error) (read, error) {
		return read{}, fmt.Errorf("reading a proof file: %w", err)
	}
	head, rest, ok := strings.Cut(text, "\n\n")
	if !ok {
		return fail(fmt.Errorf("the part after the empty line is missing: %w", ErrForm))
	}
	in := newLines(head)
	if line, err := in.must(first); err != nil || line != "" {
		return fail(fmt.Errorf("the first line is not %q: %w", first, ErrForm))
	}
	r.words = takeWords(in)
	if grounded {
		ground, err := in.must(groundLine)
		if err != nil {
			return fail(err)
		}
		r.Ground, r.ground = Ground(ground), takeWords(in)
	}
	keys, err := takeKeys(in)
	if err != nil {
		return fail(err)
	}
	r.LogKey, r.MoreKeys = keys[0], keys[1:]
	record, ok, err := readRecord(in)
	if err != nil {
		return fail(err)
	}
	if !ok {
		return fail(fmt.Errorf("line %d begins no event: %w", in.n+1, ErrForm))
	}
	r.Event, r.Salt, r.Disclosed = record.Event, record.Salt, record.Disclosed
	stated, err := in.must("leaf ")
	if err != nil {
		return fail(err)
	}
	if r.leaf, err = base64.StdEncoding.Strict().DecodeString(stated); err != nil {
		return fail(in.wrong("the leaf", err))
	}
	if _, _, err = commitment.ParseLeaf(r.leaf); err != nil {
		return fail(in.wrong("the leaf", err))
	}
	if len(in.rest) > 0 {
		return fail(fmt.Errorf("line %d does not belong there: %w", in.n+1, ErrForm))
	}
	if r.Inclusion, err = parseInclusion(rest); err != nil {
		return fail(err)
	}
	if _, err := ParseCheckpoint([]byte(r.Inclusion.Checkpoint)); err != nil {
		return fail(err)
	}
	if _, err := record.disclosure(); err != nil {
		return fail(fmt.Errorf("the event: %w: %w", ErrForm, err))
	}
	return r, nil
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
