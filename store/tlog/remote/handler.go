package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store/tlog"
)

// Writer is the log as the node that writes it has it.
type Writer interface {
	Append(ctx context.Context, entry audit.Entry) (audit.Place, error)
	// Status says which shard takes entries, and whether the log works.
	Status(ctx context.Context) (Status, error)
	// Erase overwrites the copies of one leaf at a place, or wherever it stands among n;
	// authz.ErrNotFound if the shard is not here.
	Erase(ctx context.Context, from audit.Place, n uint64, leaf [sha256.Size]byte) error
	// Files are those of a shard; authz.ErrNotFound if it is not here.
	Files(shard string) (tlog.Files, error)
}

// Times of a request at the writer.
const (
	appendPatience = 5 * time.Second
	readPatience   = 10 * time.Second
	idlePatience   = 2 * time.Minute
)

// handler answers nodes of the site.
type handler struct{ writer Writer }

// maxRequests bounds the requests of one kind in work; more get 503.
const maxRequests = 64

// Below is another log of the same writer, whose paths begin with Path, such as /consent.
type Below struct {
	Path string
	Writer
}

// NewHandler answers nodes of the site from a log, and below their paths from others. What
// people read, however many proofs they ask for, takes no slot from what a node appends or
// asks before it releases.
func NewHandler(w Writer, others ...Below) http.Handler {
	h := &handler{writer: w}
	mux := http.NewServeMux()
	mux.Handle("POST /append", bounded(func(w http.ResponseWriter, r *http.Request) { h.append(w, r, false) }))
	mux.Handle("POST /entries", bounded(func(w http.ResponseWriter, r *http.Request) { h.append(w, r, true) }))
	mux.Handle("POST /erase", bounded(h.erase))
	mux.Handle("GET /status", bounded(h.status))
	mux.Handle("GET /shards/{shard}/{path...}", bounded(h.file))
	for _, other := range others {
		mux.Handle(other.Path+"/", http.StripPrefix(other.Path, NewHandler(other.Writer)))
	}
	return mux
}

// bounded bounds the requests of one kind in work.
func bounded(serve http.HandlerFunc) http.Handler {
	slots := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			serve(w, r)
		default:
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		}
	})
}

// Serve answers at a listener until it is closed: see [NewHandler].
func Serve(l net.Listener, identity *Identity, w Writer, others ...Below) *http.Server {
	server := &http.Server{
		Handler: NewHandler(w, others...), TLSConfig: identity.Server(),
		ReadHeaderTimeout: readPatience, ReadTimeout: readPatience, WriteTimeout: readPatience + appendPatience, IdleTimeout: idlePatience,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	go func() {
		if err := server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the release log is not reached by other nodes any more", "error", err)
		}
	}()
	return server
}

// body reads the body of a request, or answers that it cannot.
func body(w http.ResponseWriter, r *http.Request, most int64) (raw []byte, ok bool) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return nil, false
	}
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return nil, false
	}
	return raw, true
}

// erase erases the copies of one leaf.
func (h *handler) erase(w http.ResponseWriter, r *http.Request) {
	raw, ok := body(w, r, maxErasure)
	if !ok {
		return
	}
	var e erasure
	var leaf []byte
	err := json.Unmarshal(raw, &e)
	if err == nil {
		leaf, err = hex.DecodeString(e.Leaf)
	}
	if err != nil || len(leaf) != sha256.Size || e.Count > MostErased {
		http.Error(w, "the body names no leaf of the log", http.StatusBadRequest)
		return
	}
	switch err := h.writer.Erase(r.Context(), audit.Place(e.place), e.Count, [sha256.Size]byte(leaf)); {
	case errors.Is(err, authz.ErrNotFound):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		answer(w, struct{}{})
	}
}

// append appends all entries of a request together, with their copies if it has them; the
// answer is given when all are durable, and otherwise it is not known which are.
func (h *handler) append(w http.ResponseWriter, r *http.Request, copies bool) {
	raw, ok := body(w, r, maxBody)
	if !ok {
		return
	}
	entries, err := unmarshal(raw, copies)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// That the caller hangs up does not take entries back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), appendPatience)
	defer cancel()
	places, failed := make([]place, len(entries)), make([]error, len(entries))
	var all sync.WaitGroup
	for i, entry := range entries {
		all.Go(func() {
			var p audit.Place
			p, failed[i] = h.writer.Append(ctx, entry)
			places[i] = place(p)
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	answer(w, places)
}

func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	status, err := h.writer.Status(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer(w, status)
}

// file sends a file of a shard. What is kept beside them, such as the state of the
// writer, is not among them.
func (h *handler) file(w http.ResponseWriter, r *http.Request) {
	path := r.PathValue("path")
	if path != "checkpoint" && path != tlog.CosignedPath && !strings.HasPrefix(path, "tile/") || strings.Contains(path, "..") {
		http.NotFound(w, r)
		return
	}
	files, err := h.writer.Files(r.PathValue("shard"))
	var raw []byte
	if err == nil {
		raw, err = files.Read(r.Context(), path)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, authz.ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if written, err := files.Modified(r.Context(), path); err == nil {
		w.Header().Set("Last-Modified", written.UTC().Format(http.TimeFormat))
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(raw)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
