// Package upstreams has the command that checks a file of other providers by which people sign
// in, and says what each is to be told.
package upstreams

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
	"hopnhat/authz/protocol"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/upstreaming"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/client"
	"hopnhat/federation/upstream/flow"
)

// Upstream is `hopnhat federation upstream`.
func Upstream(e *tool.Env) *cobra.Command {
	return tool.Group("upstream", "Check other providers by which people sign in",
		"hopnhat federation upstream check upstreams.json", check(e))
}

// Checked is what `federation upstream check --json` prints of a provider.
type Checked struct {
	Alias    upstream.Alias      `json:"alias"`
	Name     authz.LocalizedText `json:"name"`
	Issuer   string              `json:"issuer"`
	ClientID string              `json:"client_id"`
	Hidden   bool                `json:"hidden"`
	LinkOnly bool                `json:"link_only"`
	// What the provider is to be told of this server.
	RedirectURI string `json:"redirect_uri"`
	LogoutURI   string `json:"backchannel_logout_uri"`
	SignedOut   string `json:"post_logout_redirect_uri"`
	JWKSURI     string `json:"jwks_uri"`
	// Asked says that its configuration and keys were fetched, and Error why they cannot be used.
	Asked bool   `json:"asked"`
	Error string `json:"error,omitempty"`
}

func check(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check a file of other providers, and say what each is to be told of this server",
		Long: `Reads the file of the configuration key upstreams as the server does, and prints for each provider the
addresses that it registers for this server. With --ask the configuration and the keys of each are
fetched, over HTTPS, as at a sign-in; one that is trusted by the federation is not asked.
Kiểm tra tệp các nhà cung cấp định danh khác, và cho biết phải đăng ký gì ở từng nơi.

Exit codes: 0 all is well, 1 the file or a provider cannot be used, 2 wrong use.`,
		Example: tool.Lines("hopnhat federation upstream check upstreams.json", "hopnhat federation upstream check --ask upstreams.json"),
		Args:    tool.OneWord("FILE of the key upstreams; see docs/upstream.md"),
	}
	ask := cmd.Flags().Bool("ask", false, "fetch the configuration and the keys of each provider")
	asJSON := tool.JSONFlag(cmd, tool.Array, Checked{})
	return e.WithConfig(cmd, config.Federation, func(ctx context.Context, c *node.Config, words []string) error {
		list, err := Check(ctx, c, words[0], *ask)
		if err != nil {
			return err
		}
		if *asJSON {
			err = e.JSON(list)
		} else {
			print(e, list)
		}
		for _, one := range list {
			if err == nil && one.Error != "" {
				return tool.ExitCode(tool.Failed)
			}
		}
		return err
	})
}

// Check reads a file, and asks the providers if it should.
func Check(ctx context.Context, c *node.Config, file string, ask bool) ([]Checked, error) {
	list, bounds, err := upstreaming.Reach(file, c.Issuer, c.LoopbackIssuer())
	if err != nil {
		return nil, err
	}
	engine := flow.New(flow.Options{Issuer: c.Issuer, List: list})
	asker := client.New(client.Options{
		Out:      func(p *upstream.Provider) client.Outbound { return outbound.NewWithin(bounds[p.Alias]) },
		Loopback: c.LoopbackIssuer(), Now: time.Now,
	})
	out := []Checked{}
	for _, p := range list {
		one := Checked{
			Alias: p.Alias, Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, Hidden: p.Hidden, LinkOnly: p.LinkOnly,
			RedirectURI: engine.Callback(p.Alias), LogoutURI: engine.Backchannel(p.Alias), SignedOut: c.Issuer + flow.SignedOutPath,
			JWKSURI: c.Issuer + protocol.JWKSPath, Asked: ask && p.Trust == upstream.ByDiscovery,
		}
		if one.Asked {
			if _, err := asker.Metadata(ctx, p); err != nil {
				one.Error = err.Error()
			}
		}
		out = append(out, one)
	}
	return out, nil
}

func print(e *tool.Env, list []Checked) {
	for _, one := range list {
		e.Printf("%s: %s (%s), client_id %s\n", one.Alias, one.Name.VI, one.Issuer, one.ClientID)
		for _, line := range [][2]string{
			{"redirect_uri", one.RedirectURI}, {"backchannel_logout_uri", one.LogoutURI}, {"post_logout_redirect_uri", one.SignedOut}, {"jwks_uri", one.JWKSURI},
		} {
			e.Printf("  %-26s%s\n", line[0], line[1])
		}
		switch {
		case one.Error != "":
			e.Printf("  cannot be used: %s\n", one.Error)
		case one.Asked:
			e.Printf("  its configuration and keys can be used\n")
		}
	}
	e.Printf("%s\n", fmt.Sprintf("%d providers", len(list)))
}
