// Package proof is the form of a proof that a person takes away, and its
// verification without any network: event, salt, inclusion in the log, and the
// log's signed checkpoint (https://c2sp.org/tlog-proof,
// https://c2sp.org/tlog-checkpoint). It is pure.
package proof

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit"
)

// File is a proof to take away.
type File struct {
	LogKey    string // C2SP verifier key of the log
	Event     []byte // canonical event
	Salt      audit.Salt
	Inclusion Inclusion
}

// The fixed lines of a proof file.
const (
	headLine  = "Hopnhat proof v1 - Bằng chứng tra cứu dữ liệu, phiên bản 1"
	proofLine = "c2sp.org/tlog-proof@v1"
	maxFile   = 64 << 10
)

// Marshal writes the one form of a proof file.
func (f File) Marshal() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nlog %s\nevent %s\nsalt %s\n\n%s\nindex %d\n", headLine, f.LogKey, f.Event,
		base64.StdEncoding.EncodeToString(f.Salt[:]), proofLine, f.Inclusion.Index)
	for _, h := range f.Inclusion.Hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n" + f.Inclusion.Checkpoint)
	return []byte(b.String())
}

// ErrStructure means that a file is not the one form of a proof.
var ErrStructure = errors.New("this is not a proof file in its one form")

// Unmarshal reads a proof file. What is not byte for byte as Marshal writes it
// is refused, so that no byte can be changed unseen.
func Unmarshal(raw []byte) (File, error) {
	bad := func(what string) (File, error) { return File{}, fmt.Errorf("%w: %s", ErrStructure, what) }
	if len(raw) > maxFile {
		return bad("it is too long")
	}
	head, rest, ok := strings.Cut(string(raw), "\n\n")
	tail, checkpoint, ok2 := strings.Cut(rest, "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || !ok2 || len(lines) != 4 || lines[0] != headLine {
		return bad("a part is missing")
	}
	var f File
	var event, salt string
	for i, field := range []struct {
		name string
		into *string
	}{{"log ", &f.LogKey}, {"event ", &event}, {"salt ", &salt}} {
		if *field.into, ok = strings.CutPrefix(lines[i+1], field.name); !ok {
			return bad("line " + strconv.Itoa(i+2) + " is not the " + field.name)
		}
	}
	f.Event, f.Inclusion.Checkpoint = []byte(event), checkpoint
	decoded, err := base64.StdEncoding.Strict().DecodeString(salt)
	if err != nil || len(decoded) != len(f.Salt) {
		return bad("the salt")
	}
	f.Salt = audit.Salt(decoded)
	lines = strings.Split(tail, "\n")
	if len(lines) < 2 || len(lines) > 2+63 || lines[0] != proofLine {
		return bad("the inclusion proof")
	}
	index, ok := strings.CutPrefix(lines[1], "index ")
	if !ok {
		return bad("the index")
	}
	if f.Inclusion.Index, err = strconv.ParseUint(index, 10, 63); err != nil {
		return bad("the index")
	}
	for _, line := range lines[2:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != sha256.Size {
			return bad("a hash of the inclusion proof")
		}
		f.Inclusion.Hashes = append(f.Inclusion.Hashes, Hash(h))
	}
	if string(f.Marshal()) != string(raw) {
		return bad("bytes differ from the one form")
	}
	return f, nil
}

// Step is one check of a verification.
type Step struct {
	VI, EN string
	Err    error
}

// Report is the outcome of a verification.
type Report struct {
	Steps []Step
	Event audit.Event
	// Pinned tells whether the log's key was one that the verifier trusts.
	Pinned bool
	Key    string
}

// OK tells whether every step held.
func (r Report) OK() bool {
	for _, s := range r.Steps {
		if s.Err != nil {
			return false
		}
	}
	return len(r.Steps) > 0
}

// Verify checks a proof file. trusted are verifier keys of logs; when it is
// empty the key in the file is taken, and the report says so.
func Verify(raw []byte, trusted []string) Report {
	var r Report
	step := func(vi, en string, err error) bool {
		r.Steps = append(r.Steps, Step{vi, en, err})
		return err == nil
	}
	f, err := Unmarshal(raw)
	if !step("Cấu trúc tệp", "File structure", err) {
		return r
	}
	r.Key = f.LogKey
	r.Event, err = audit.Parse(f.Event)
	if !step("Nội dung sự kiện ở dạng chuẩn", "Event in its canonical form", err) {
		return r
	}
	verifier, err := note.NewVerifier(f.LogKey)
	if err == nil && len(trusted) > 0 {
		r.Pinned = true
		err = errors.New("the log key in the file is not one of the trusted keys")
		for _, key := range trusted {
			if key == f.LogKey {
				err = nil
			}
		}
	}
	if !step("Khóa của nhật ký", "Key of the log", err) {
		return r
	}
	checkpoint, err := OpenCheckpoint([]byte(f.Inclusion.Checkpoint), verifier)
	if !step("Chữ ký điểm kiểm tra", "Signature of the checkpoint", err) {
		return r
	}
	leaf, err := audit.Leaf(r.Event, f.Salt)
	if err == nil {
		err = f.Inclusion.Check(leaf, checkpoint)
	}
	step("Sự kiện nằm trong nhật ký", "The event is in the log", err)
	return r
}
