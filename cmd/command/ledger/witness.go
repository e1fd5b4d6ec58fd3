package ledger

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/verifier"
	"hopnhat/authz/audit/witness"
	"hopnhat/cmd/command/tool"
)

// witnessFlags are those of `hopnhat log witness`.
type witnessFlags struct {
	dir, name, listen, certificate, key string
	logs                                []string
}

// witnessing is `hopnhat log witness`.
func witnessing(e *tool.Env) *cobra.Command {
	var f witnessFlags
	cmd := &cobra.Command{
		Use: "witness", Short: "Be a witness: cosign checkpoints of logs that go on from the ones before", Args: tool.NoWords,
		Long: `Is a witness of release logs (C2SP tlog-witness), on a machine of whoever wants to see that a log
has one history: it needs neither the database nor the keys of a server.

It follows the logs whose keys are given; the key of a log without a quarter, such as
id.example.vn/release/dc1, is for all its quarters. It remembers the last tree of each in its
folder, cosigns a tree that goes on from it, and refuses an older one and a fork, whose note it
keeps there. At the first start it makes its key and prints it: the log's operator puts it with
the address into the file that log_witnesses names, and verifiers give it with --witness-keys.`,
		Example: tool.Lines(
			"hopnhat log witness --name witness.example/w1 --log-key log.vkey --address 127.0.0.1:8450",
			"hopnhat log witness --name witness.example/w1 --log-key log.vkey --address :443 --cert w1.pem --cert-key w1.key",
		),
	}
	cmd.Flags().StringVar(&f.dir, "dir", "witness", "`folder` of key and state")
	cmd.Flags().StringVar(&f.name, "name", "", "name of the witness, such as witness.example/w1")
	cmd.Flags().StringVar(&f.listen, "address", "127.0.0.1:8450", "`host:port` to listen on")
	cmd.Flags().StringArrayVar(&f.logs, "log-key", nil, "verifier key of a log, or a `file` that holds some; may be given several times")
	cmd.Flags().StringVar(&f.certificate, "cert", "", "PEM `file` with the certificate; without it plain HTTP, behind a proxy")
	cmd.Flags().StringVar(&f.key, "cert-key", "", "PEM `file` with the certificate's key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return witnessed(cmd.Context(), e, f) }
	return cmd
}

func witnessed(ctx context.Context, e *tool.Env, f witnessFlags) error {
	if f.name == "" || len(f.logs) == 0 {
		return errors.New("--name and --log-key are needed: the name of this witness, and the key of a log that it follows")
	}
	if (f.certificate == "") != (f.key == "") {
		return errors.New("--cert and --cert-key go together")
	}
	var logs []string
	for _, given := range f.logs {
		keys, err := verifier.Keys(given)
		if err != nil {
			return fmt.Errorf("--log-key: %w", err)
		}
		logs = append(logs, keys...)
	}
	private, err := witnessKey(f.dir)
	if err != nil {
		return err
	}
	signer, err := cosign.NewSigner(f.name, private, time.Now)
	if err != nil {
		return err
	}
	w, err := witness.Open(witness.Options{Dir: f.dir, Logs: logs, Signer: signer})
	if err != nil {
		return err
	}
	defer w.Close()
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w; choose another with --address", f.listen, err)
	}
	server := &http.Server{
		Handler: w.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	e.Printf("witness key: %s\nlistening on %s\n", signer.VerifierKey(), listener.Addr())
	stop := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ending)
	})
	defer stop()
	if f.certificate != "" {
		err = server.ServeTLS(listener, f.certificate, f.key)
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// witnessKey reads the key of a witness, or makes it. A file that is there and cannot be read
// is an error: another key would be another witness.
func witnessKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, "witness.key")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the folder of the witness: %w", err)
		}
		_, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("making the key of the witness: %w", err)
		}
		_, err = f.WriteString(base64.StdEncoding.EncodeToString(private.Seed()) + "\n")
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return nil, fmt.Errorf("making the key of the witness: %w", err)
		}
		return private, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key of the witness: %w", err)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s does not hold the key of a witness", path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
