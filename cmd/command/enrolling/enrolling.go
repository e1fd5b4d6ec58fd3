// Package enrolling has the commands by which operators of a trust anchor or an intermediate
// enrol subordinates and grant trust marks. Each step is evidence.
package enrolling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/outbound"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/federating"
	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/fetch"
	"hopnhat/federation/statement"
)

// maxFile bounds a file that is read.
const maxFile = 256 << 10

// Subordinates is `hopnhat federation subordinate`.
func Subordinates(e *tool.Env) *cobra.Command {
	return tool.Group("subordinate", "Enrol entities below this one, suspend and revoke them",
		"hopnhat federation subordinate propose https://danang.example.vn --agreement 12/2026 --level 3 --until 2028-01-01",
		propose(e), approve(e), renew(e), end(e, "suspend", (*desk.Desk).Suspend), end(e, "revoke", (*desk.Desk).Revoke), list(e), show(e))
}

// Office is where steps are taken.
type Office struct {
	*desk.Desk
	// Me takes them.
	Me     desk.Officer
	entity *federating.Entity
}

// Open makes the office of the server's entity, for whoever runs the command.
func Open(b *node.Base) (*Office, error) {
	entity, err := federating.Read(b.Config.FederationEntity, b.Config.Issuer)
	switch {
	case err != nil:
		return nil, err
	case entity == nil || !entity.HasSubordinates:
		return nil, errors.New("this server has no subordinates: set federation_entity to a file that says \"subordinates\": true")
	}
	parts := federating.Parts{State: b.Config.State}
	return &Office{parts.Desk(entity, b.DB.Enrolments, b.Scribe(), nil), Officer(tool.OSUser()), entity}, nil
}

// Officer is who runs a command, by the account of the operating system.
func Officer(name string) desk.Officer {
	return desk.Officer{Name: name, Sign: func(a *audit.Act) { a.Decision.Determining = []string{string(authz.Operator), name} }}
}

func propose(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "propose ENTITY", Short: "Propose an entity, or new terms for one; a second person approves",
		Long: `Proposes that an entity becomes a subordinate, or new terms for one that is.
Đề nghị kết nạp một đơn vị, hoặc điều khoản mới; người thứ hai phải phê duyệt.

Its keys, its name and its roles are taken from its own configuration, which is signed with these keys, is
in force, and names this server in authority_hints. The configuration is fetched, or read from a file that
it gave. Nothing is stated of the entity until another person approves: compare the fingerprints that are
printed with those that the entity gave another way.`,
		Example: tool.Lines(
			"hopnhat federation subordinate propose https://danang.example.vn --agreement 12/2026 --level 3 --until 2028-01-01",
			"hopnhat federation subordinate propose https://app.example.vn --agreement 13/2026 --level 2 --until 2028-01-01 "+
				"--configuration app.jwt --policy app-policy.json"),
		Args: tool.OneWord("entity, by its URL"),
	}
	var terms enrol.Terms
	f := cmd.Flags()
	f.StringVar(&terms.Agreement, "agreement", "", "the `NUMBER` of the agreement")
	f.IntVar(&terms.Level, "level", 0, "the approved security `LEVEL` of its system, 1 to 5")
	f.StringVar(&terms.Organization, "organization", "", "its `NAME`, where the configuration has none")
	until := f.String("until", "", "the `DATE` on which the enrolment ends, as 2028-01-01")
	configuration := f.String("configuration", "", "`FILE` of its configuration (compact JWT), instead of fetching it")
	policy := f.String("policy", "", "`FILE` of what else is stated: a JSON object with metadata, metadata_policy and constraints")
	why := f.String("why", "", "a reason, which stands in the evidence; no number of a person")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, err := Open(b)
		if err != nil {
			return err
		}
		id, err := federation.ParseEntityID(words[0])
		if err != nil {
			return err
		}
		if terms.Until, err = date(*until); err != nil {
			return err
		}
		c, err := read(ctx, id, *configuration, d.entity.Bounds)
		if err != nil {
			return err
		}
		agreed, err := merge(terms, c, d, *policy)
		if err != nil {
			return err
		}
		after, err := d.Propose(ctx, d.Me, id, agreed, *why)
		if err != nil {
			return err
		}
		return proposed(e, d, after)
	})
}

// date reads the end of an enrolment, the beginning of a day in UTC.
func date(text string) (time.Time, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return at, fmt.Errorf("--until %q is no date such as 2028-01-01", text)
	}
	return at, nil
}

// read gets the configuration of an entity from a file, or fetches it.
func read(ctx context.Context, id federation.EntityID, file string, bounds outbound.Bounds) (statement.Statement, error) {
	if file == "" {
		return fetch.New(outbound.NewWithin(bounds), nil).Configuration(ctx, id)
	}
	raw, err := tool.ReadFile(file, maxFile)
	if err != nil {
		return statement.Statement{}, err
	}
	c, err := statement.Parse(strings.TrimSpace(string(raw)))
	if err == nil && c.Subject != id {
		err = fmt.Errorf("it is of %s, not of %s", c.Subject, id)
	}
	if err != nil {
		return c, fmt.Errorf("--configuration %s: %w", file, err)
	}
	return c, nil
}

// merge puts together what the operator said, what the entity says of itself, and the policy.
func merge(said enrol.Terms, c statement.Statement, d *Office, policy string) (enrol.Terms, error) {
	t, err := enrol.FromConfiguration(c, d.Entity, d.Now())
	if err != nil {
		return t, err
	}
	t.Agreement, t.Level, t.Until = said.Agreement, said.Level, said.Until
	if said.Organization != "" {
		t.Organization = said.Organization
	}
	if policy == "" {
		return t, nil
	}
	err = withPolicy(&t, policy)
	return t, err
}

// withPolicy puts what a file says into terms.
func withPolicy(t *enrol.Terms, policy string) error {
	raw, err := tool.ReadFile(policy, maxFile)
	if err != nil {
		return fmt.Errorf("--policy: %w", err)
	}
	if err := t.ReadPolicy(raw); err != nil {
		return fmt.Errorf("--policy %s: %w", policy, err)
	}
	return nil
}

// proposed says what waits for a second person, and what its approval would do.
func proposed(e *tool.Env, d *Office, after enrol.Subordinate) error {
	e.Printf("proposed by %s; another person has to approve\n", d.Me.Name)
	describe(e.Out, after)
	return rehearsed(e, d, after)
}

func approve(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "approve ENTITY --proposal DIGEST", Short: "Approve what another person proposed; from then on the entity is stated",
		Long: `Approves what another person proposed. The terms are named by their digest, which show prints.
Phê duyệt điều khoản mà người khác đã đề nghị.

What the terms would do to the whole federation is rehearsed first. Where an entity would be trusted no more,
or have other metadata or marks, the effects have a digest too, and are approved by it. Where this server
knows nothing of the federation nothing can be rehearsed: then --unrehearsed says why it is approved all the
same, as for the first entity of all, and the event says that.`,
		Example: tool.Lines(
			"hopnhat federation subordinate approve https://danang.example.vn --proposal 5c0f8d0e2b6a4a0f9b1e6a7d2c3b4a59",
			"hopnhat federation subordinate approve https://danang.example.vn --proposal 5c0f8d0e2b6a4a0f9b1e6a7d2c3b4a59 --effects "+
				"1f3a8d0e2b6a4a0f9b1e6a7d2c3b4a60",
			"hopnhat federation subordinate approve https://danang.example.vn --proposal 5c0f8d0e2b6a4a0f9b1e6a7d2c3b4a59 --unrehearsed "+
				`"the first of all"`),
		Args: tool.OneWord("entity, by its URL"),
	}
	seen := cmd.Flags().String("proposal", "", "the `DIGEST` of the terms, as `hopnhat federation subordinate show` prints it")
	effects := cmd.Flags().String("effects", "", "the `DIGEST` of the effects, as `hopnhat federation subordinate show` prints it; wanted where somebody is harmed")
	unrehearsed := cmd.Flags().String("unrehearsed", "", "why it is approved although nothing can be rehearsed, a `TEXT` that stands in the evidence; no number of a person")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, err := Open(b)
		if err != nil {
			return err
		}
		id := federation.EntityID(words[0])
		after, outcome, err := d.Approve(ctx, d.Me, id, desk.Seen{Terms: *seen, Effects: *effects, Unrehearsed: *unrehearsed})
		switch {
		case errors.Is(err, desk.ErrHarms):
			return fmt.Errorf("%w: look at `hopnhat federation subordinate show %s`, and give --effects", err, id)
		case errors.Is(err, desk.ErrUnrehearsed):
			return fmt.Errorf("%w with --unrehearsed, or name the anchor in \"anchors\" of federation_entity and let a server walk once", err)
		case err == nil:
			describe(e.Out, after)
			e.Printf("%s\n", outcome)
		}
		return err
	})
}

func renew(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "renew ENTITY", Short: "Propose another end for an enrolment; it brings back what is suspended, when approved",
		Example: tool.Lines("hopnhat federation subordinate renew https://danang.example.vn --until 2030-01-01"), Args: tool.OneWord("entity, by its URL"),
	}
	until := cmd.Flags().String("until", "", "the `DATE` on which the enrolment ends, as 2030-01-01")
	why := cmd.Flags().String("why", "", "a reason, which stands in the evidence; no number of a person")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, err := Open(b)
		if err != nil {
			return err
		}
		end, err := date(*until)
		if err != nil {
			return err
		}
		after, err := d.Renew(ctx, d.Me, federation.EntityID(words[0]), end, *why)
		if err != nil {
			return err
		}
		return proposed(e, d, after)
	})
}

// end is a command that stops statements about an entity at once.
func end(
	e *tool.Env, verb string, step func(*desk.Desk, context.Context, desk.Officer, federation.EntityID, string) (enrol.Subordinate, error),
) *cobra.Command {
	short := map[string]string{
		"suspend": "Stop stating an entity at once, until a renewal is approved", "revoke": "End the enrolment of an entity at once",
	}
	cmd := &cobra.Command{
		Use: verb + " ENTITY --why TEXT", Short: short[verb], Args: tool.OneWord("entity, by its URL"),
		Example: tool.Lines("hopnhat federation subordinate " + verb + ` https://danang.example.vn --why "keys lost"`),
	}
	why := cmd.Flags().String("why", "", "the reason, which stands in the evidence; no number of a person")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, err := Open(b)
		if err != nil {
			return err
		}
		after, err := step(d.Desk, ctx, d.Me, federation.EntityID(words[0]), *why)
		if err == nil {
			describe(e.Out, after)
			e.Printf("others know by the end of the statements that they hold, within a day\n")
		}
		return err
	})
}
