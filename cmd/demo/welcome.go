package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hopnhat/authz/authn"
	"hopnhat/cmd/command/person"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/node"
	"hopnhat/conformance/sampleapp"
	"hopnhat/keys"
)

// welcome says what to open and with which logins, and keeps the codes current.
func welcome(ctx context.Context, b *node.Base, apps []sampleapp.Config, e *tool.Env) {
	w := e.Out
	fmt.Fprintf(w, "\nReady. Open in a browser:\n")
	for _, a := range apps {
		fmt.Fprintf(w, "  %-28s %s/\n", a.Name[0], a.Home)
	}
	fmt.Fprintf(w, "  %-28s %s/portal\n  %-28s %s/console\n\n", "Ai đã xem dữ liệu của tôi", b.Config.Issuer, "Kiểm toán / audit",
		b.Config.Issuer)
	fmt.Fprintf(w, "Logins (all persons are invented):\n")
	for _, d := range people {
		note := ""
		if d.Role != "" {
			note = "  (" + string(d.Role) + ")"
		}
		fmt.Fprintf(w, "  number %s  password %-14s%s\n", d.Number, d.Password, note)
	}
	fmt.Fprintf(w, "\nProofs: go run ./cmd/hopnhat audit verify --log-key %s FILE\nStop with Ctrl-C; everything is kept in "+
		"%s.\nOne-time codes, new each 30 s:\n", filepath.Join(b.Config.State, "log.vkey"), b.Config.State)
	go func() {
		for {
			now := time.Now()
			line, err := codeLine(ctx, b.Ring, now)
			if err != nil {
				return
			}
			fmt.Fprintln(w, line)
			next := now.Truncate(30 * time.Second).Add(30 * time.Second)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(next)):
			}
		}
	}()
}

func codeLine(ctx context.Context, ring keys.Secrecy, now time.Time) (string, error) {
	var parts []string
	for _, d := range people {
		secret, err := person.Seed(ctx, ring, d.Number)
		if err != nil {
			return "", err
		}
		parts = append(parts, d.Number+" → "+authn.CurrentCode(secret, now))
	}
	return "  " + now.Format("15:04:05") + "  " + strings.Join(parts, "   "), nil
}

// printCodes prints the current codes of a demonstration that may be running.
func printCodes(ctx context.Context, c *node.Config, e *tool.Env) error {
	if _, err := os.Stat(filepath.Join(c.State, marker)); err != nil {
		return fmt.Errorf("there is no demonstration in %s", c.State)
	}
	material, err := c.OpenKeyStore()
	if err != nil {
		return err
	}
	defer material.Close()
	line, err := codeLine(ctx, material, time.Now())
	if err != nil {
		return err
	}
	e.Println(line)
	return nil
}
