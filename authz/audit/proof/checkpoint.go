package proof

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a node of the log's tree.
type Hash [sha256.Size]byte

// String is the hash in base64.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

func parseHash(s string) (Hash, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != sha256.Size {
		return Hash{}, errors.New("not the base64 of a SHA-256")
	}
	return Hash(raw), nil
}

// Checkpoint is a signed tree head (https://c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
}

// text is the body of the checkpoint that is signed.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// ParseCheckpoint reads the body of a checkpoint without asking who signed it.
// It is for the size of a checkpoint that is verified elsewhere.
func ParseCheckpoint(raw []byte) (Checkpoint, error) {
	lines := strings.SplitN(string(raw), "\n", 5)
	if len(lines) != 5 || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("reading a checkpoint: %w", ErrForm)
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("reading a checkpoint: the tree size: %w", ErrForm)
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("reading a checkpoint: the root: %w", ErrForm)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if !strings.HasPrefix(string(raw), c.text()+"\n") {
		return Checkpoint{}, fmt.Errorf("reading a checkpoint: %w", ErrForm)
	}
	return c, nil
}

// OpenCheckpoint verifies and reads a checkpoint. At least one of the keys given signed it,
// and no line of a key given is bad. Lines of other keys are passed over
// (https://c2sp.org/signed-note#signatures): nothing is said by them, and who trusts a
// witness gives its key. All keys are of the log that the checkpoint names.
func OpenCheckpoint(raw []byte, verifiers ...note.Verifier) (Checkpoint, error) {
	c, err := ParseCheckpoint(raw)
	if err != nil {
		return Checkpoint{}, err
	}
	if _, err := openNote(raw, verifiers...); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint of %q: %w", c.Origin, err)
	}
	for _, v := range verifiers {
		if v.Name() != c.Origin {
			return Checkpoint{}, fmt.Errorf("the checkpoint is of %q, the key of %q: %w", c.Origin, v.Name(), ErrUnknownKey)
		}
	}
	return c, nil
}

// Bounds of a signed note. https://c2sp.org/signed-note#format: a reader takes 16 signature
// lines at least, and one of a post-quantum key has up to 5 kB.
const (
	maxNote       = 256 << 10
	maxSignatures = 64
)

// openNote verifies a signed note (https://c2sp.org/signed-note). A key signs it once, and
// each line has its one form. It returns how many lines are of keys that are not given.
func openNote(raw []byte, verifiers ...note.Verifier) (unknown int, err error) {
	_, signatures, ok := strings.Cut(string(raw), "\n\n")
	if !ok || len(raw) > maxNote || strings.Count(signatures, "\n") > maxSignatures {
		return 0, ErrForm
	}
	n, err := note.Open(raw, note.VerifierList(verifiers...))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		return 0, ErrUnknownKey
	case errors.As(err, &invalid):
		return 0, ErrSignature
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrForm, err)
	}
	known := 0
	for line := range strings.Lines(strings.TrimPrefix(string(raw), n.Text+"\n")) {
		name, encoded, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "— "), " ")
		signature, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || len(signature) < 4 {
			return 0, ErrForm
		}
		id := binary.BigEndian.Uint32(signature)
		if slices.ContainsFunc(verifiers, func(v note.Verifier) bool { return v.Name() == name && v.KeyHash() == id }) {
			known++
		} else {
			unknown++
		}
	}
	if known != len(n.Sigs) { // a key signed twice: of the second line nothing was verified
		return 0, ErrForm
	}
	return unknown, nil
}

// Inclusion says that a leaf is in the tree of a checkpoint: the content of a
// C2SP tlog-proof (https://c2sp.org/tlog-proof).
type Inclusion struct {
	Index  uint64
	Hashes []Hash
	// Checkpoint is the signed note as the log published it.
	Checkpoint string
	// Keys are the verifier keys that signed the checkpoint, where the maker of
	// the proof knows them. They are not part of the C2SP tlog-proof.
	Keys []string
}

// SignedBy picks from verifier keys those that signed a checkpoint.
func SignedBy(checkpoint string, keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		v, err := note.NewVerifier(key)
		return err != nil || signedByAll(checkpoint, []note.Verifier{v}) != nil
	})
}

// Check says whether the leaf is in the tree of the checkpoint, RFC 6962 §2.1.1.
func (in Inclusion) Check(leaf []byte, c Checkpoint) error {
	return checkPath(in.Hashes, in.Index, tlog.RecordHash(leaf), c)
}

func checkPath(hashes []Hash, index uint64, leafHash tlog.Hash, c Checkpoint) error {
	if index >= c.Size {
		return fmt.Errorf("the checkpoint covers %d entries and this is number %d: %w", c.Size, index, ErrNotIncluded)
	}
	path := make(tlog.RecordProof, len(hashes))
	for i, h := range hashes {
		path[i] = tlog.Hash(h)
	}
	if tlog.CheckRecord(path, int64(c.Size), tlog.Hash(c.Root), int64(index), leafHash) != nil {
		return ErrNotIncluded
	}
	return nil
}

const (
	inclusionHead = "c2sp.org/tlog-proof@v1"
	maxPath       = 63
)

// marshal writes the C2SP tlog-proof.
func (in Inclusion) marshal(b *strings.Builder) {
	fmt.Fprintf(b, "%s\nindex %d\n", inclusionHead, in.Index)
	for _, h := range in.Hashes {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n" + in.Checkpoint)
}

// Marshal writes the C2SP tlog-proof by itself.
func (in Inclusion) Marshal() []byte {
	var b strings.Builder
	in.marshal(&b)
	return []byte(b.String())
}

func parseInclusion(text string) (Inclusion, error) {
	path, checkpoint, ok := strings.Cut(text, "\n\n")
	lines := strings.Split(path, "\n")
	if !ok || len(lines) < 2 || len(lines) > 2+maxPath || lines[0] != inclusionHead {
		return Inclusion{}, fmt.Errorf("the inclusion proof: %w", ErrForm)
	}
	index, ok := strings.CutPrefix(lines[1], "index ")
	n, err := strconv.ParseUint(index, 10, 63)
	if !ok || err != nil {
		return Inclusion{}, fmt.Errorf("the index of the inclusion proof: %w", ErrForm)
	}
	in := Inclusion{Index: n, Checkpoint: checkpoint}
	for i, line := range lines[2:] {
		h, err := parseHash(line)
		if err != nil {
			return Inclusion{}, fmt.Errorf("hash %d of the inclusion proof: %w", i+1, err)
		}
		in.Hashes = append(in.Hashes, h)
	}
	return in, nil
}

// verifiers reads verifier keys; all must be well formed.
func verifiers(keys []string) ([]note.Verifier, error) {
	var list []note.Verifier
	for _, key := range keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, fmt.Errorf("the log key %q: %w", key, err)
		}
		if again, err := note.NewEd25519VerifierKey(v.Name(), publicKey(key)); err != nil || again != key {
			return nil, fmt.Errorf("the log key %q: %w", key, ErrForm)
		}
		list = append(list, v)
	}
	return list, nil
}

// ofOneLog refuses keys of different logs.
func ofOneLog(list []note.Verifier) error {
	if slices.ContainsFunc(list, func(v note.Verifier) bool { return v.Name() != list[0].Name() }) {
		return fmt.Errorf("the log keys are of different logs: %w", ErrUnknownKey)
	}
	return nil
}

// publicKey is the Ed25519 key inside a verifier key that note accepted. A "+" is
// also a digit of base64: the key follows the second one.
func publicKey(vkey string) []byte {
	parts := strings.SplitN(vkey, "+", 3)
	raw, err := base64.StdEncoding.Strict().DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) < 1 {
		return nil
	}
	return raw[1:]
}

// KeyFor is a verifier key of a log under the name of one of its shards; empty if it is no
// Ed25519 key. The key that signs a shard is that of the log when the shard began.
func KeyFor(origin, vkey string) string {
	named, err := note.NewEd25519VerifierKey(origin, publicKey(vkey))
	if err != nil {
		return ""
	}
	return named
}
