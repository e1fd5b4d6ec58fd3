// Package enrolling has the commands by which operators of a trust anchor or an intermediate
// enrol subordinates and grant trust marks. Each step is evidence.
package enrolling

import (
	"context"
	"encoding/json"
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
	"hopnhat/federation/enrol"
	"hopnhat/federation/fetch"
	"hopnhat/federation/statement"
	"hopnhat/keys/jose"
)

// maxFile bounds a file that is read.
const maxFile = 256 << 10

// Subordinates is `hopnhat federation subordinate`.
func Subordinates(e *tool.Env) *cobra.Command {
	return tool.Group("subordinate", "Enrol entities below this one, suspend and revoke them",
		"hopnhat federation subordinate propose https://danang.example.vn --agreement 12/2026 --level 3 --until 2028-01-01",
		propose(e), approve(e), renew(e), end(e, "suspend", audit.SubordinateSuspended, enrol.Subordinate.Suspend),
		end(e, "revoke", audit.SubordinateRevoked, enrol.Subordinate.Revoke), list(e), show(e))
}

// Desk takes steps: each is a change of a record and its event, in one commit.
type Desk struct {
	Base *node.Base
	// Entity is who states the subordinates.
	Entity federation.EntityID
	// By names who takes the step.
	By  string
	Now time.Time
}

// open makes the desk of the server's entity.
func open(b *node.Base) (*Desk, *federating.Entity, error) {
	entity, err := federating.Read(b.Config.FederationEntity, b.Config.Issuer)
	switch {
	case err != nil:
		return nil, nil, err
	case entity == nil || !entity.HasSubordinates:
		return nil, nil, errors.New("this server has no subordinates: set federation_entity to a file that says \"subordinates\": true")
	}
	return &Desk{Base: b, Entity: entity.ID(), By: tool.OSUser(), Now: time.Now()}, entity, nil
}

// Step reads a record, takes a step and keeps what it made of the record. A record that
// somebody changed meanwhile is not written over.
func (d *Desk) Step(
	ctx context.Context, id federation.EntityID, action audit.Action, step func(enrol.Subordinate) (enrol.Subordinate, error),
) (after enrol.Subordinate, err error) {
	err = tool.Administer(ctx, d.Base, func(ctx context.Context) (audit.Act, error) {
		before, err := d.Base.DB.Enrolments.Subordinate(ctx, id)
		if errors.Is(err, authz.ErrNotFound) {
			before, err = enrol.Subordinate{ID: id}, nil
		}
		if err != nil {
			return audit.Act{}, err
		}
		if after, err = step(before); err != nil {
			return audit.Act{}, err
		}
		if err := d.Base.DB.Enrolments.SaveSubordinate(ctx, after); errors.Is(err, authz.ErrConflict) {
			return audit.Act{}, fmt.Errorf("somebody changed the enrolment of %s at the same time: look at it and try again", id)
		} else if err != nil {
			return audit.Act{}, err
		}
		return tool.Act(action, string(id), said(after)), nil
	})
	return after, err
}

// said is what an event says of a record after a step.
func said(s enrol.Subordinate) string {
	t, why := s.Terms, s.Why
	if s.Proposal != nil {
		t, why = s.Proposal.Terms, s.Proposal.Why
	}
	text := fmt.Sprintf("terms %s, agreement %s, level %d, until %s, keys %s", t.Digest(), t.Agreement, t.Level, t.Until.UTC().Format(time.DateOnly),
		strings.Join(keyIDs(t), " "))
	if why != "" {
		text = why + "; " + text
	}
	return text
}

// keyIDs are the thumbprints of the keys that would be stated (RFC 7638): they are what two
// people compare, whatever the kid says.
func keyIDs(t enrol.Terms) []string {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(t.Keys, &set) != nil {
		return nil
	}
	ids := make([]string, 0, len(set.Keys))
	for _, raw := range set.Keys {
		if id, err := jose.ThumbprintOf(raw); err == nil {
			ids = append(ids, string(id))
		}
	}
	return ids
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
		d, entity, err := open(b)
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
		c, err := read(ctx, id, *configuration, entity.Bounds)
		if err != nil {
			return err
		}
		agreed, err := merge(terms, c, d, *policy)
		if err != nil {
			return err
		}
		after, err := d.Step(ctx, id, audit.SubordinateProposed, func(s enrol.Subordinate) (enrol.Subordinate, error) {
			return s.Propose(d.Entity, agreed, d.By, *why, d.Now)
		})
		if err != nil {
			return err
		}
		e.Printf("proposed by %s; another person has to approve\n", d.By)
		describe(e.Out, after)
		return nil
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
func merge(said enrol.Terms, c statement.Statement, d *Desk, policy string) (enrol.Terms, error) {
	t, err := enrol.FromConfiguration(c, d.Entity, d.Now)
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
	raw, err := tool.ReadFile(policy, maxFile)
	if err != nil {
		return t, fmt.Errorf("--policy: %w", err)
	}
	var p struct {
		Metadata    json.RawMessage `json:"metadata"`
		Policy      json.RawMessage `json:"metadata_policy"`
		Constraints json.RawMessage `json:"constraints"`
	}
	in := json.NewDecoder(strings.NewReader(string(raw)))
	in.DisallowUnknownFields()
	if err := in.Decode(&p); err != nil {
		return t, fmt.Errorf("--policy %s: %w", policy, err)
	}
	t.Metadata, t.Policy, t.Constraints = p.Metadata, p.Policy, p.Constraints
	return t, nil
}

func approve(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "approve ENTITY --proposal DIGEST", Short: "Approve what another person proposed; from then on the entity is stated",
		Example: tool.Lines("hopnhat federation subordinate approve https://danang.example.vn --proposal 5c0f8d0e2b6a4a0f9b1e6a7d2c3b4a59"),
		Args:    tool.OneWord("entity, by its URL"),
	}
	seen := cmd.Flags().String("proposal", "", "the `DIGEST` of the terms, as `hopnhat federation subordinate show` prints it")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, _, err := open(b)
		if err != nil {
			return err
		}
		after, err := d.Step(ctx, federation.EntityID(words[0]), audit.SubordinateApproved,
			func(s enrol.Subordinate) (enrol.Subordinate, error) {
				return s.Approve(d.Entity, *seen, d.By, d.Now)
			})
		if err == nil {
			describe(e.Out, after)
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
		d, _, err := open(b)
		if err != nil {
			return err
		}
		end, err := date(*until)
		if err != nil {
			return err
		}
		after, err := d.Step(ctx, federation.EntityID(words[0]), audit.SubordinateRenewed,
			func(s enrol.Subordinate) (enrol.Subordinate, error) {
				return s.Renew(d.Entity, end, d.By, *why, d.Now)
			})
		if err == nil {
			e.Printf("proposed by %s; another person has to approve\n", d.By)
			describe(e.Out, after)
		}
		return err
	})
}

// end is a command that stops statements about an entity at once.
func end(
	e *tool.Env, verb string, action audit.Action, step func(enrol.Subordinate, string, string, time.Time) (enrol.Subordinate, error),
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
		d, _, err := open(b)
		if err != nil {
			return err
		}
		after, err := d.Step(ctx, federation.EntityID(words[0]), action, func(s enrol.Subordinate) (enrol.Subordinate, error) {
			return step(s, d.By, *why, d.Now)
		})
		if err == nil {
			describe(e.Out, after)
			e.Printf("others know by the end of the statements that they hold, within a day\n")
		}
		return err
	})
}
