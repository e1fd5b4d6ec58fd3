package enrolling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
)

// Shown is a subordinate as it is printed for programs.
type Shown struct {
	ID    federation.EntityID `json:"entity"`
	State enrol.State         `json:"state"`
	// Stated says whether statements are issued about it now.
	Stated     bool        `json:"stated"`
	Terms      *ShownTerms `json:"terms,omitempty"`
	ProposedBy string      `json:"proposed_by,omitempty"`
	ApprovedBy string      `json:"approved_by,omitempty"`
	Since      time.Time   `json:"since"`
	Why        string      `json:"why,omitempty"`
	Proposal   *ShownTerms `json:"proposal,omitempty"`
	// Rehearsal is what the approval of the proposal would do, if the federation is known here.
	Rehearsal *desk.Rehearsal `json:"rehearsal,omitempty"`
}

// ShownTerms are terms, with the thumbprints of the keys.
type ShownTerms struct {
	Organization string                  `json:"organization"`
	Agreement    string                  `json:"agreement"`
	Level        int                     `json:"level"`
	Types        []federation.EntityType `json:"entity_types"`
	Intermediate bool                    `json:"intermediate"`
	Keys         []string                `json:"thumbprints"`
	Until        time.Time               `json:"until"`
	By           string                  `json:"by,omitempty"`
	Digest       string                  `json:"digest"`
}

func shownTerms(t enrol.Terms, by string) *ShownTerms {
	return &ShownTerms{t.Organization, t.Agreement, t.Level, t.Types, t.Intermediate, desk.Thumbprints(t), t.Until.UTC(), by, t.Digest()}
}

func shown(s enrol.Subordinate, now time.Time) Shown {
	out := Shown{
		ID: s.ID, State: s.State, Stated: s.InForce(now), ProposedBy: s.ProposedBy, ApprovedBy: s.ApprovedBy, Since: s.Since.UTC(),
		Why: s.Why,
	}
	if s.ApprovedBy != "" {
		out.Terms = shownTerms(s.Terms, "")
	}
	if p := s.Proposal; p != nil {
		out.Proposal = shownTerms(p.Terms, p.By)
	}
	return out
}

// describe prints a record for people.
func describe(w io.Writer, s enrol.Subordinate) {
	fmt.Fprintf(w, "%s: %s since %s\n", s.ID, s.State, s.Since.UTC().Format(time.RFC3339))
	if s.ApprovedBy != "" {
		terms(w, "in force, proposed by "+s.ProposedBy+" and approved by "+s.ApprovedBy, s.Terms)
	}
	if p := s.Proposal; p != nil {
		terms(w, "proposed by "+p.By+", and waits for a second person", p.Terms)
	}
}

func terms(w io.Writer, title string, t enrol.Terms) {
	types := make([]string, len(t.Types))
	for i, one := range t.Types {
		types[i] = string(one)
	}
	fmt.Fprintf(w, "  %s:\n    terms %s\n    %s, agreement %s, level %d, until %s\n    roles: %s\n", title, t.Digest(), t.Organization, t.Agreement, t.Level,
		t.Until.UTC().Format(time.DateOnly), strings.Join(types, " "))
	for _, id := range desk.Thumbprints(t) {
		fmt.Fprintf(w, "    key: %s\n", id)
	}
	for _, part := range []struct {
		name string
		raw  []byte
	}{{"metadata", t.Metadata}, {"metadata_policy", t.Policy}, {"constraints", t.Constraints}} {
		if len(part.raw) > 0 {
			fmt.Fprintf(w, "    %s: %s\n", part.name, part.raw)
		}
	}
}

// most bounds what is listed at once.
const most = 20_000

func list(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the subordinates, and where each enrolment stands", Args: tool.NoWords,
		Example: tool.Lines("hopnhat federation subordinate list"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Array, Shown{})
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, _ []string) error {
		found, err := b.DB.Enrolments.Subordinates(ctx, "", most)
		if err != nil {
			return err
		}
		rows := make([]Shown, len(found))
		for i, s := range found {
			rows[i] = shown(s, time.Now())
		}
		return tool.Rows(e, *asJSON, "ENTITY\tSTATE\tSTATED\tAGREEMENT\tUNTIL\tWAITS", rows, func(s Shown) []any {
			agreement, until, waits := "-", "-", "-"
			if s.Terms != nil {
				agreement, until = s.Terms.Agreement, s.Terms.Until.Format(time.DateOnly)
			}
			if s.Proposal != nil {
				waits = "for approval"
			}
			return []any{s.ID, s.State, s.Stated, agreement, until, waits}
		})
	})
}

func show(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ENTITY", Short: "Show one subordinate: terms, fingerprints of its keys, and what waits for approval",
		Example: tool.Lines("hopnhat federation subordinate show https://danang.example.vn"), Args: tool.OneWord("entity, by its URL"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, Shown{})
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		s, err := b.DB.Enrolments.Subordinate(ctx, federation.EntityID(words[0]))
		if errors.Is(err, authz.ErrNotFound) {
			return fmt.Errorf("%q was never proposed; `hopnhat federation subordinate list` says who was", words[0])
		}
		if err != nil {
			return err
		}
		d, noDesk := Open(b)
		if !*asJSON {
			if describe(e.Out, s); noDesk == nil && s.Proposal != nil {
				return rehearsed(e, d, s)
			}
			return nil
		}
		out := shown(s, time.Now())
		if noDesk == nil && s.Proposal != nil {
			r, err := d.Rehearse(s)
			if err == nil {
				out.Rehearsal = &r
			} else if !errors.Is(err, desk.ErrNotKnown) {
				return err
			}
		}
		return e.JSON(out)
	})
}
