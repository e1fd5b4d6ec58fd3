package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/demo/federated"
	"hopnhat/cmd/node"
)

// appsEach is how many apps a province of the demonstration has.
const appsEach = 3

// runFederation runs the federation of the nation until ctx ends.
func runFederation(ctx context.Context, e *tool.Env, c *node.Config, port int) error {
	e.Println("Hopnhat – liên đoàn của cả nước / the federation of the nation")
	n, err := federated.New(ctx, port, appsEach, "")
	if err != nil {
		return err
	}
	folder := filepath.Join(c.State, "federation")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	keys, ca := filepath.Join(folder, "anchor.jwks"), filepath.Join(folder, "ca.pem")
	for file, text := range map[string][]byte{keys: n.Keys, ca: n.CA} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	defer n.Stop()
	n.Resolver.Refresh(ctx)
	known, _, until := n.Resolver.Known()
	e.Printf("• %d entities run, a trust anchor, 2 ministries, the provinces and their apps; %d are trusted, until %s\n",
		n.Entities(), known, until.Format("15:04"))
	e.Println("• Vì sao một ứng dụng được tin cậy? / Why is an app trusted? In another terminal:")
	e.Println()
	e.Println(explainLine(n, keys, ca))
	e.Println()
	e.Printf("• %s/federation/resolve?sub=%s&trust_anchor=%s\n", n.Anchor(), n.App, n.Anchor())
	e.Println("• Ctrl-C để dừng / Ctrl-C to stop")
	n.Resolver.Run(ctx)
	return nil
}

// explainLine is the command that shows the chain of an app.
func explainLine(n *federated.Nation, keys, ca string) string {
	return fmt.Sprintf("hopnhat federation explain --anchor %s=%s --ca %s --network %s --fetch %s", n.Anchor(), keys, ca, federated.Network, n.App)
}
