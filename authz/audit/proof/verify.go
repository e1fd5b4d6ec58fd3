package proof

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/wording"
)

// Step is one check of a verification, in words. A step that was not reached
// because an earlier one failed is not listed.
type Step struct {
	VI, EN string
	Err    error
}

// Reason says why the step failed, in vi or en; empty if it held.
func (s Step) Reason(lang string) string {
	if s.Err == nil {
		return ""
	}
	return reason(s.Err, lang == "vi")
}

// Report is the outcome of a verification.
type Report struct {
	Steps []Step
	// Pinned reports whether a log key was one that the verifier trusts.
	Pinned bool
	// Keys are the log keys that the file names. Unpinned are those of the consent, where the
	// verifier trusts that of the release and none of these.
	Keys, Unpinned []string
	// Events are the events proved, as far as they are shown; only filled when
	// every step held.
	Events []commitment.Disclosure
	// Ground is what a proof of a release says of the consent that it rests on; if that is
	// proved, its event is the second one.
	Ground Ground
	// Coverage is what an export proves about the entries it does not show.
	Coverage *Coverage
}

// OK reports whether every step held.
func (r Report) OK() bool {
	return len(r.Steps) > 0 && !slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Err != nil })
}

// Failed is the step that failed; ok is false if none did.
func (r Report) Failed() (step Step, ok bool) {
	for _, s := range r.Steps {
		if s.Err != nil {
			return s, true
		}
	}
	return Step{}, false
}

func (r *Report) step(vi, en string, err error) bool {
	r.Steps = append(r.Steps, Step{vi, en, err})
	return err == nil
}

// Trust is whom a verifier believes.
type Trust struct {
	// Keys are verifier keys of logs. When there is none the keys in the file are taken, and
	// the report says that they are not pinned: the file is then only consistent in itself.
	Keys []string
	// Witnesses are those of whom Wanted have to have cosigned each checkpoint in the file;
	// none where no word of a witness is asked for.
	Witnesses []*cosign.Verifier
	Wanted    int
}

// Verify checks a proof file or an export, with the word of no witness.
func Verify(raw []byte, trusted []string) Report { return Trust{Keys: trusted}.Verify(raw) }

// Verify checks a proof file or an export.
func (t Trust) Verify(raw []byte) Report {
	switch {
	case bytes.HasPrefix(raw, []byte(exportHead+"\n")), bytes.HasPrefix(raw, []byte(firstHead+"\n")):
		return verifyExport(raw, t)
	case !bytes.HasPrefix(raw, []byte(fileHead+"\n")) && !bytes.HasPrefix(raw, []byte(releaseHead+"\n")):
		var r Report
		r.step("Cấu trúc tệp", "Structure of the file", ErrNoProof)
		return r
	}
	return verifyFile(raw, t)
}

func verifyFile(raw []byte, t Trust) Report {
	var r Report
	f, err := unmarshal(raw)
	if !r.step("Cấu trúc tệp", "Structure of the file", err) || !r.part(f, t, "", "") || f.Ground == "" {
		return r
	}
	if f.given != nil {
		// One key signs both logs of a site, each under its name: who trusts it for one does so for
		// the other.
		pinned := r.Pinned
		r.Pinned, t.Keys = false, vouched(f.given.keys(), t.Keys)
		ok := r.part(*f.given, t, "Sự đồng ý: ", "Consent: ")
		if pinned && !r.Pinned {
			r.Unpinned = f.given.keys()
		}
		if r.Pinned = r.Pinned && pinned; !ok {
			r.Events = nil
			return r
		}
	}
	err = f.checkGround()
	if err == nil && f.ground != f.groundWords() {
		err = ErrWords
	}
	if !r.step("Căn cứ của việc cung cấp", "What the release rests on", err) {
		r.Events = nil
	}
	r.Ground = f.Ground
	return r
}

// part verifies one event and its place; the words stand before the names of the steps.
func (r *Report) part(f read, t Trust, vi, en string) bool {
	step := func(inVI, inEN string, err error) bool { return r.step(vi+inVI, en+inEN, err) }
	verifiers, ok := r.keys(f.keys(), t.Keys, true, vi, en)
	if !ok {
		return false
	}
	checkpoint, err := openByAll(f.Inclusion.Checkpoint, verifiers)
	if !step("Chữ ký của nhật ký trên điểm kiểm tra", "The log's signature on its checkpoint", err) {
		return false
	}
	if !r.witnessed(f.Inclusion.Checkpoint, t) {
		return false
	}
	if !step("Sự kiện khớp với mục của nhật ký", "The event gives the log's entry", f.record().check(f.leaf)) {
		return false
	}
	if !step("Mục nằm trong nhật ký", "The entry is in the log", f.Inclusion.Check(f.leaf, checkpoint)) {
		return false
	}
	d, err := f.record().disclosure()
	if err == nil && f.words != wording.Summary(d) {
		err = ErrWords
	}
	if !step("Dòng dành cho người đọc", "Lines for readers", err) {
		return false
	}
	r.Events = append(r.Events, d)
	return true
}

// vouched are those of the keys that are trusted, or whose public key is that of a trusted one.
func vouched(keys, trusted []string) (known []string) {
	for _, key := range keys {
		if slices.ContainsFunc(trusted, func(t string) bool { return bytes.Equal(publicKey(t), publicKey(key)) }) {
			known = append(known, key)
		}
	}
	return known
}

// witnessed is the step that counts the witnesses under a checkpoint, where any are asked for.
func (r *Report) witnessed(checkpoint string, t Trust) bool {
	if len(t.Witnesses) == 0 {
		return true
	}
	found, err := cosign.Open([]byte(checkpoint), t.Witnesses...)
	var said []string
	for _, c := range found {
		said = append(said, c.Witness+" "+c.At.Format(time.RFC3339))
	}
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrWitnesses, err)
	case len(found) < max(t.Wanted, 1):
		err = fmt.Errorf("%d of %d: %w", len(found), max(t.Wanted, 1), ErrWitnesses)
	}
	names := strings.Join(said, ", ")
	return r.step("Nhân chứng xác nhận điểm kiểm tra: "+names, "Witnesses of the checkpoint: "+names, err)
}

// keys checks the keys that a file names against those that are trusted. One
// trusted key is enough: all must have signed. one says that all are of one log; the words stand
// before the name of the step.
func (r *Report) keys(named, trusted []string, one bool, vi, en string) ([]note.Verifier, bool) {
	r.Keys = append(r.Keys, named...)
	list, err := verifiers(named)
	if err == nil && one {
		err = ofOneLog(list)
	}
	if err == nil && len(trusted) > 0 {
		r.Pinned = slices.ContainsFunc(named, func(key string) bool { return slices.Contains(trusted, key) })
		if !r.Pinned {
			err = fmt.Errorf("the file names %s, trusted are %s: %w", short(named), short(trusted), ErrUnknownKey)
		}
	} else if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnknownKey, err)
	}
	return list, r.step(vi+"Khóa của nhật ký", en+"Key of the log", err)
}

// openByAll opens a checkpoint that each of the keys must have signed: a key that
// is merely named beside another's signature vouches for nothing.
func openByAll(raw string, verifiers []note.Verifier) (Checkpoint, error) {
	c, err := OpenCheckpoint([]byte(raw), verifiers...)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, signedByAll(raw, verifiers)
}

func signedByAll(raw string, verifiers []note.Verifier) error {
	for _, v := range verifiers {
		if _, err := note.Open([]byte(raw), note.VerifierList(v)); err != nil {
			return fmt.Errorf("key %s+%08x is named but did not sign: %w", v.Name(), v.KeyHash(), ErrSignature)
		}
	}
	return nil
}

// short names keys by log and hash.
func short(keys []string) string {
	var names []string
	for _, key := range keys {
		parts := strings.SplitN(key, "+", 3)
		names = append(names, strings.Join(parts[:min(2, len(parts))], "+"))
	}
	return strings.Join(names, ", ")
}
