// Package witness is the protocol of https://c2sp.org/tlog-witness from both sides. A
// [Witness] follows logs by their keys and cosigns a checkpoint that goes on from the one it
// cosigned last; so two people who hold cosigned checkpoints hold the same history. A [Circle]
// is what a log asks: some witnesses, of whom a number is wanted.
package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/tiles"
	"hopnhat/keys/durable"
)

// Options say whom a witness is, and which logs it follows.
type Options struct {
	// Dir is the folder of its state, which one process has.
	Dir string
	// Logs are verifier keys of logs. That of a log without a shard, such as
	// hopnhat.example/release/dc1, is for each shard of it.
	Logs   []string
	Signer *cosign.Signer
}

// Witness cosigns. It is safe for concurrent use.
type Witness struct {
	o    Options
	logs map[string][]string // keys by the name in them
	lock *os.File

	mu      sync.Mutex // of the state: reading the last checkpoint and keeping the next are one step
	refused int        // notes kept
}

// Errors of a witness.
var (
	ErrLocked  = errors.New("another process is this witness")
	ErrDamaged = errors.New("the state of the witness is damaged")
)

const (
	maxBody    = 384 << 10
	maxShards  = 4096 // files of state
	maxRefused = 100  // notes that are kept as evidence
)

// Open opens the state of a witness, or begins it.
func Open(o Options) (*Witness, error) {
	w := &Witness{o: o, logs: map[string][]string{}}
	for _, vkey := range o.Logs {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("the key %q of a log: %w", vkey, err)
		}
		w.logs[v.Name()] = append(w.logs[v.Name()], vkey)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the witness: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the folder of the witness: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%s)", ErrLocked, o.Dir), lock.Close())
	}
	w.lock = lock
	return w, nil
}

// Close lets another process be this witness.
func (w *Witness) Close() error { return w.lock.Close() }

// shardForm is how the last segment of a shard's name looks: a quarter, and a part beyond
// the first.
var shardForm = regexp.MustCompile(`^[0-9]{4}q[1-4](?:-[1-9][0-9]{0,8})?$`)

// verifiers are the keys that sign checkpoints of an origin; none for a log that is not followed.
func (w *Witness) verifiers(origin string) []note.Verifier {
	keys := w.logs[origin]
	if i := strings.LastIndexByte(origin, '/'); i > 0 && shardForm.MatchString(origin[i+1:]) {
		keys = append(keys[:len(keys):len(keys)], w.logs[origin[:i]]...)
	}
	var list []note.Verifier
	for _, vkey := range keys {
		v, err := note.NewVerifier(proof.KeyFor(origin, vkey))
		if err == nil {
			list = append(list, v)
		}
	}
	return list
}

// Answer is what a witness answers to add-checkpoint.
type Answer struct {
	Status int
	Body   string
}

// sizeType is the type of the body of a conflict.
const sizeType = "text/x.tlog.size"

func text(status int, format string, args ...any) Answer {
	return Answer{status, fmt.Sprintf(format, args...) + "\n"}
}

// Add is add-checkpoint of tlog-witness.
func (w *Witness) Add(body []byte) Answer {
	asked, err := parseRequest(body)
	if err != nil {
		return text(http.StatusBadRequest, "%v", err)
	}
	c, err := proof.ParseCheckpoint(asked.checkpoint)
	if err != nil {
		return text(http.StatusBadRequest, "%v", err)
	}
	verifiers := w.verifiers(c.Origin)
	if len(verifiers) == 0 {
		return text(http.StatusNotFound, "the log %q is not followed here", c.Origin)
	}
	if c, err = proof.OpenCheckpoint(asked.checkpoint, verifiers...); err != nil {
		return text(http.StatusForbidden, "%v", err)
	}
	if asked.old > c.Size {
		return text(http.StatusBadRequest, "the old size is greater than that of the checkpoint")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last, err := w.last(c.Origin, verifiers)
	if err != nil {
		slog.Error("the state of this witness cannot be read; nothing is cosigned of the log until it is mended",
			"origin", c.Origin, "error", err)
		return text(http.StatusInternalServerError, "the state of the witness cannot be read")
	}
	if c.Size == last.Size && c.Root != last.Root && last.Size > 0 {
		w.refuse(last, c, asked.checkpoint)
		return text(http.StatusConflict, "%d", last.Size)
	}
	if asked.old != last.Size {
		return text(http.StatusConflict, "%d", last.Size)
	}
	if err := tiles.CheckConsistency(asked.hashes, last, c); err != nil {
		w.refuse(last, c, asked.checkpoint)
		return text(http.StatusUnprocessableEntity, "%v", err)
	}
	// Only what the log signed is kept, and it is on the disk before the witness speaks.
	if err := w.keep(c.Origin, asked.checkpoint, last.Size == 0); err != nil {
		slog.Error("this witness cannot keep what it saw, and cosigns nothing", "origin", c.Origin, "error", err)
		return text(http.StatusInternalServerError, "the witness cannot keep the checkpoint")
	}
	signed, _, _ := bytes.Cut(asked.checkpoint, []byte("\n\n"))
	line, err := w.o.Signer.Line(append(bytes.Clone(signed), '\n'))
	if err != nil {
		return text(http.StatusInternalServerError, "the witness cannot sign: %v", err)
	}
	return Answer{http.StatusOK, line}
}

// Handler answers add-checkpoint below any prefix.
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
		a := text(http.StatusBadRequest, "the request could not be read, or is longer than %d bytes", maxBody)
		if err == nil {
			a = w.Add(body)
		}
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if a.Status == http.StatusConflict {
			rw.Header().Set("Content-Type", sizeType)
		}
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		rw.WriteHeader(a.Status)
		_, _ = io.WriteString(rw, a.Body)
	})
	mux.HandleFunc("GET /key", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(rw, w.o.Signer.VerifierKey()+"\n")
	})
	return mux
}

// file is where the last checkpoint of a log is.
func (w *Witness) file(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return filepath.Join(w.o.Dir, hex.EncodeToString(sum[:])+".checkpoint")
}

// last is the tree that was cosigned last; an empty one if none was. It is verified again: a
// witness whose memory was changed says nothing.
func (w *Witness) last(origin string, verifiers []note.Verifier) (proof.Checkpoint, error) {
	raw, err := os.ReadFile(w.file(origin))
	if errors.Is(err, fs.ErrNotExist) {
		return proof.Checkpoint{Origin: origin}, nil
	}
	if err != nil {
		return proof.Checkpoint{}, err
	}
	c, err := proof.OpenCheckpoint(raw, verifiers...)
	if err == nil && c.Origin != origin {
		err = fmt.Errorf("it is of %q", c.Origin)
	}
	if err != nil {
		return proof.Checkpoint{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return c, nil
}

// keep makes a checkpoint the last one, durably.
func (w *Witness) keep(origin string, raw []byte, first bool) error {
	if first {
		files, err := filepath.Glob(filepath.Join(w.o.Dir, "*.checkpoint"))
		if err != nil || len(files) >= maxShards {
			return fmt.Errorf("the witness follows %d logs and shards already", len(files))
		}
	}
	return durable.Replace(w.file(origin), raw, 0o600)
}

// refuse keeps a checkpoint that the log signed and that does not go on from the last one: by
// the two anybody can see that the log has two histories.
func (w *Witness) refuse(last, c proof.Checkpoint, raw []byte) {
	slog.Error("the log signed a tree that does not go on from the one that was cosigned; it is not cosigned, and the note is kept",
		"origin", c.Origin, "size", c.Size, "root", c.Root.String(), "cosigned_size", last.Size, "cosigned_root", last.Root.String())
	if w.refused >= maxRefused {
		return
	}
	w.refused++
	name := fmt.Sprintf("%s-%d-%x.refused", strings.TrimSuffix(w.file(c.Origin), ".checkpoint"), c.Size, c.Root[:4])
	if err := durable.Replace(name, raw, 0o600); err != nil {
		slog.Error("a note of a log with two histories could not be kept", "error", err)
	}
}

// request is the body of add-checkpoint.
type request struct {
	old        uint64
	hashes     []proof.Hash
	checkpoint []byte
}

// errRequest means that a body is not in the form of add-checkpoint.
var errRequest = errors.New("the body is not an old size, hashes, an empty line and a checkpoint")

func parseRequest(body []byte) (request, error) {
	head, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	old, ok2 := strings.CutPrefix(lines[0], "old ")
	size, err := strconv.ParseUint(old, 10, 63)
	if !ok || !ok2 || err != nil || strconv.FormatUint(size, 10) != old {
		return request{}, errRequest
	}
	if len(lines) > 1+tiles.MaxConsistency || len(body) > maxBody {
		return request{}, errRequest
	}
	r := request{old: size, checkpoint: checkpoint}
	for _, line := range lines[1:] {
		raw, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(raw) != sha256.Size || strings.Contains(line, "\r") {
			return request{}, errRequest
		}
		r.hashes = append(r.hashes, proof.Hash(raw))
	}
	return r, nil
}

// marshal writes the body.
func (r request) marshal() string {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", r.old)
	for _, h := range r.hashes {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n" + string(r.checkpoint))
	return b.String()
}
