package house

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/tiles"
	"hopnhat/authz/audit/verifier"
	"hopnhat/cmd/command/tool"
	"hopnhat/keys/durable"
)

// consistency is `hopnhat audit consistency`.
func consistency(e *tool.Env) *cobra.Command {
	var key, kept, token string
	cmd := &cobra.Command{
		Use: "consistency SHARD", Short: "See that a shard of the log goes on from the checkpoint that was kept",
		Args: tool.OneWord("shard: its folder, or the URL that its files are below"),
		Long: `Reads the newest checkpoint and the tiles of a shard (C2SP tlog-tiles), and proves that its tree goes
on from the checkpoint that was kept (RFC 6962 §2.1.2). Then it keeps the newest in its place.
The first time it only keeps it. Run it each day, and from more than one place.

At a server an auditor reads with a token, see hopnhat account log-token.

Exit codes: 0 the tree goes on, 1 it does not or could not be read, 3 no key was given that
signed it.`,
		Example: tool.Lines(
			"hopnhat audit consistency --log-key log.vkey --token-file token https://id.example.vn/log/shards/2026q4",
			"hopnhat audit consistency --log-key log.vkey --token-file token https://id.example.vn/log/consent/shards/2026q4",
			"hopnhat audit consistency --log-key log.vkey --kept 2026q4.checkpoint /mnt/copy/tlog/2026q4",
		),
	}
	cmd.Flags().StringVar(&key, "log-key", "", "the log's verifier key, or a `file` that holds it")
	cmd.Flags().StringVar(&kept, "kept", "", "`file` of the checkpoint that was kept; without it, the shard's name and .checkpoint, behind consent- for the consent log")
	cmd.Flags().StringVar(&token, "token-file", "", "`file` with the token of an auditor")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if key == "" {
			e.Progress("no key was given: nothing can be proved; give the published one with --log-key")
			return tool.ExitCode(verifier.ExitNotPinned)
		}
		keys, err := verifier.Keys(key)
		if err != nil {
			return err
		}
		fetch, err := fetcher(words[0], token)
		if err != nil {
			return err
		}
		if kept == "" {
			kept = keptAs(words[0])
		}
		return goesOn(cmd.Context(), e, fetch, keys, kept)
	}
	return cmd
}

// keptAs is the file in which the checkpoint of a shard is kept: both logs of a site have a shard
// of each quarter.
func keptAs(shard string) string {
	shard = strings.TrimSuffix(shard, "/")
	file := filepath.Base(shard) + ".checkpoint"
	if of := strings.TrimSuffix(filepath.Dir(shard), "/shards"); filepath.Base(of) == "consent" {
		return "consent-" + file
	}
	return file
}

// goesOn holds the newest tree of a shard against the one that was kept, and keeps it.
func goesOn(ctx context.Context, e *tool.Env, fetch tiles.Fetch, keys []string, kept string) error {
	raw, err := fetch(ctx, tiles.Checkpoint)
	if err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	newest, err := signed(raw, keys)
	if errors.Is(err, proof.ErrUnknownKey) {
		e.Progress("the newest checkpoint: %v", err)
		return tool.ExitCode(verifier.ExitNotPinned)
	}
	if err != nil {
		return fmt.Errorf("the newest checkpoint: %w", err)
	}
	before, err := os.ReadFile(kept)
	if errors.Is(err, fs.ErrNotExist) {
		if err := durable.Replace(kept, raw, 0o644); err != nil {
			return err
		}
		e.Printf("%s: %d entries, root %s; kept in %s, nothing to compare with yet\n", newest.Origin, newest.Size, newest.Root, kept)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the checkpoint that was kept: %w", err)
	}
	older, err := signed(before, keys)
	if err != nil {
		return fmt.Errorf("the checkpoint in %s: %w", kept, err)
	}
	hashes, err := tiles.Consistency(ctx, fetch, older.Size, newest)
	if err == nil {
		err = tiles.CheckConsistency(hashes, older, newest)
	}
	if err != nil {
		return fmt.Errorf("the log does NOT go on from the checkpoint in %s, which stays; keep both: %w", kept, err)
	}
	if err := durable.Replace(kept, raw, 0o644); err != nil {
		return err
	}
	e.Printf("%s: %d entries go on from %d, root %s\n", newest.Origin, newest.Size, older.Size, newest.Root)
	return nil
}

// signed opens a checkpoint under those of the keys that are of its log.
func signed(raw []byte, keys []string) (proof.Checkpoint, error) {
	c, err := proof.ParseCheckpoint(raw)
	if err != nil {
		return c, err
	}
	var verifiers []note.Verifier
	for _, key := range keys {
		if v, err := note.NewVerifier(key); err == nil && v.Name() == c.Origin {
			verifiers = append(verifiers, v)
		}
	}
	return proof.OpenCheckpoint(raw, verifiers...)
}

// maxFile bounds a file of a log: a tile has 8 kB, a checkpoint less than a note may have.
const maxFile = 256 << 10

// fetcher reads the files of a shard, from a folder or a server.
func fetcher(from, tokenFile string) (tiles.Fetch, error) {
	if !strings.Contains(from, "://") {
		return func(_ context.Context, path string) ([]byte, error) { return os.ReadFile(filepath.Join(from, path)) }, nil
	}
	var token string
	if tokenFile != "" {
		raw, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, fmt.Errorf("reading the token: %w", err)
		}
		token = strings.TrimSpace(string(raw))
	}
	client := &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, path string) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(from, "/")+"/"+path, http.NoBody)
		if err != nil {
			return nil, err
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound:
			return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		default:
			return nil, fmt.Errorf("%s: the server answers %s", path, answer.Status)
		}
		raw, err := io.ReadAll(io.LimitReader(answer.Body, maxFile+1))
		if err == nil && len(raw) > maxFile {
			err = fmt.Errorf("%s is longer than %d bytes", path, maxFile)
		}
		return raw, err
	}, nil
}
