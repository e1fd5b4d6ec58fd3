// Package sealing holds outside of the database since when rows of evidence carry MACs, in a file
// of the node's own folder: who has the database alone neither ends the time in which rows
// without a MAC may be those of the release before, nor begins it anew.
package sealing

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hopnhat/store/evidence"
	"hopnhat/store/tlog/inspect"
)

// File is the name of the file in a node's folder: two lines, the time (RFC 3339, UTC, whole
// microseconds) and its MAC in base64.
const File = "evidence-since"

// Begin is [evidence.Book.BeginSealing] with what the file says. The file is written where there is
// none, or the database has an earlier time that is genuine.
func Begin(ctx context.Context, path string, events evidence.Book) error {
	held, err := read(ctx, path, events)
	if err != nil {
		return err
	}
	if !held.IsZero() {
		evidence.HoldSince(events, held)
	}
	if err := events.BeginSealing(ctx); err != nil {
		return err
	}
	since, err := evidence.Since(ctx, events)
	if err != nil || since.IsZero() || since.Equal(held) {
		return err
	}
	evidence.HoldSince(events, since)
	return write(ctx, path, events, since)
}

// most bounds the file, in bytes.
const most = 256

// read is the time in the file; the zero time where there is none, or it is not as a node wrote
// it.
func read(ctx context.Context, path string, events evidence.Book) (time.Time, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading since when evidence is sealed: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading since when evidence is sealed: %w", err)
	}
	since, mac, ok := parse(raw)
	if ok {
		if ok, err = events.Keys().ProvesSince(ctx, since, mac); err != nil {
			return time.Time{}, err
		}
	}
	if !ok {
		slog.ErrorContext(ctx, "the file that says since when evidence is sealed was altered; what the database says counts", "file", path)
		return time.Time{}, nil
	}
	return since, nil
}

func parse(raw []byte) (since time.Time, mac []byte, ok bool) {
	at, rest, _ := strings.Cut(string(raw), "\n")
	since, err1 := time.Parse(time.RFC3339Nano, at)
	mac, err2 := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(rest, "\n"))
	if err1 != nil || err2 != nil || !bytes.Equal(format(since, mac), raw) {
		return time.Time{}, nil, false
	}
	return since.UTC(), mac, true
}

func format(since time.Time, mac []byte) []byte {
	at := since.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
	return fmt.Appendf(nil, "%s\n%s\n", at, base64.StdEncoding.EncodeToString(mac))
}

func write(ctx context.Context, path string, events evidence.Book, since time.Time) error {
	mac, err := events.Keys().SealSince(ctx, since)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return nil // a tool that has no folder holds nothing
	}
	if err := inspect.Replace(path, format(since, mac)); err != nil {
		return fmt.Errorf("holding since when evidence is sealed in %s: %w", path, err)
	}
	return nil
}
