package enrolling

import (
	"context"
	"encoding/json"
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
	"hopnhat/federation/rehearsal"
	"hopnhat/keys/jose"
)

// Rehearse is `hopnhat federation rehearse`.
func Rehearse(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rehearse ENTITY", Short: "Say which entities a change would harm, and by which rule, before it is made",
		Long: `Says what a change would do to every entity that this server knows of in the federation: who would be
trusted no more, who would have other metadata or marks, by which rule of which superior.
Diễn tập một thay đổi: đơn vị nào sẽ không còn được tin cậy hoặc có siêu dữ liệu khác, và vì quy tắc nào.

ENTITY is a subordinate of this server, and the change is the approval of what is proposed for it; with
--policy or --stated-keys the terms in force with these instead; with --end its suspension or revocation. With
--anchor-keys ENTITY is a trust anchor whose keys would be others here, and with --mark-issuers one that would
say anew who issues trust marks.

Nothing is changed and no network is used: what a server with anchors gathered in its state folder is
judged twice. Exit codes: 0 nobody is harmed, 1 somebody is or it failed, 2 wrong use.`,
		Example: tool.Lines(
			"hopnhat federation rehearse https://danang.example.vn",
			"hopnhat federation rehearse https://danang.example.vn --policy province.json --json",
			"hopnhat federation rehearse https://danang.example.vn --end",
			"hopnhat federation rehearse https://neo.example.vn --mark-issuers issuers.json"),
		Args: tool.OneWord("entity, by its URL"),
	}
	var c change
	f := cmd.Flags()
	f.StringVar(&c.policy, "policy", "", "`FILE` of what would be stated besides the keys, as for propose")
	f.StringVar(&c.keys, "stated-keys", "", "`FILE` of the JWK Set that would be stated")
	f.BoolVar(&c.end, "end", false, "the entity would be stated no more")
	f.StringVar(&c.anchorKeys, "anchor-keys", "", "`FILE` of the JWK Set that would be pinned for a trust anchor")
	f.StringVar(&c.markIssuers, "mark-issuers", "", "`FILE` of what the anchor would publish as trust_mark_issuers")
	cmd.MarkFlagsMutuallyExclusive("policy", "end", "anchor-keys", "mark-issuers")
	cmd.MarkFlagsMutuallyExclusive("stated-keys", "end", "anchor-keys", "mark-issuers")
	asJSON := tool.JSONFlag(cmd, tool.Object, desk.Rehearsal{})
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, err := Open(b)
		if err != nil {
			return err
		}
		id, err := federation.ParseEntityID(words[0])
		if err != nil {
			return err
		}
		r, err := c.rehearse(ctx, b, d, id)
		if err != nil {
			return err
		}
		if *asJSON {
			err = e.JSON(r)
		} else {
			drawRehearsal(e.Out, r)
		}
		if err == nil && len(r.Harms()) > 0 {
			return tool.ExitCode(tool.Failed)
		}
		return err
	})
}

// change is what is rehearsed, by the flags.
type change struct {
	policy, keys, anchorKeys, markIssuers string
	end                                   bool
}

func (c change) rehearse(ctx context.Context, b *node.Base, d *Office, id federation.EntityID) (desk.Rehearsal, error) {
	switch {
	case c.anchorKeys != "":
		raw, err := tool.ReadFile(c.anchorKeys, maxFile)
		if err != nil {
			return desk.Rehearsal{}, fmt.Errorf("--anchor-keys: %w", err)
		}
		set, err := jose.ParseSet(raw)
		if err != nil {
			return desk.Rehearsal{}, fmt.Errorf("--anchor-keys %s: %w", c.anchorKeys, err)
		}
		return d.RehearseChange(rehearsal.AnchorKeys(id, set))
	case c.markIssuers != "":
		raw, err := tool.ReadFile(c.markIssuers, maxFile)
		if err != nil {
			return desk.Rehearsal{}, fmt.Errorf("--mark-issuers: %w", err)
		}
		var issuers map[string][]federation.EntityID
		if err := json.Unmarshal(raw, &issuers); err != nil {
			return desk.Rehearsal{}, fmt.Errorf("--mark-issuers %s is not a JSON object of lists by types of marks: %w", c.markIssuers, err)
		}
		return d.RehearseChange(rehearsal.MarkIssuers(id, issuers))
	case c.end:
		return d.RehearseChange(rehearsal.Ending(d.Entity, id))
	}
	s, err := b.DB.Enrolments.Subordinate(ctx, id)
	if errors.Is(err, authz.ErrNotFound) {
		return desk.Rehearsal{}, fmt.Errorf("%q was never proposed; `hopnhat federation subordinate list` says who was", id)
	}
	if err != nil {
		return desk.Rehearsal{}, err
	}
	if c.policy == "" && c.keys == "" {
		return d.Rehearse(s)
	}
	t := s.Terms
	if c.policy != "" {
		if err := withPolicy(&t, c.policy); err != nil {
			return desk.Rehearsal{}, err
		}
	}
	if c.keys != "" {
		if t.Keys, err = tool.ReadFile(c.keys, maxFile); err != nil {
			return desk.Rehearsal{}, fmt.Errorf("--stated-keys: %w", err)
		}
	}
	return d.RehearseTerms(id, t)
}

// rehearsed prints what the approval of what is proposed would do.
func rehearsed(e *tool.Env, d *Office, s enrol.Subordinate) error {
	r, err := d.Rehearse(s)
	if errors.Is(err, desk.ErrNotKnown) {
		e.Printf("not rehearsed: %v\n", err)
		return nil
	}
	if err == nil {
		drawRehearsal(e.Out, r)
	}
	return err
}

// mostDrawn bounds what is printed for people; --json has all.
const mostDrawn = 200

// drawRehearsal prints a rehearsal for people.
func drawRehearsal(w io.Writer, r desk.Rehearsal) {
	var b strings.Builder
	harms := r.Harms()
	fmt.Fprintf(&b, "rehearsed on what was known at %s: %d entities could be reached, %d of them are trusted now and %d after\n",
		r.KnownAt.Format(time.RFC3339), r.Judged, r.Before, r.After)
	if len(harms) == 0 {
		fmt.Fprintf(&b, "nobody is harmed\n")
	} else {
		fmt.Fprintf(&b, "%d harmed (trust lost %d, role lost %d, mark lost %d, metadata altered %d)\neffects %s\n", len(harms),
			r.Count(rehearsal.Lost), r.Count(rehearsal.RoleLost), r.Count(rehearsal.MarkLost), r.Count(rehearsal.Altered), r.Digest)
	}
	for i, effect := range r.Effects {
		if i == mostDrawn {
			fmt.Fprintf(&b, "and %d more: --json has all\n", len(r.Effects)-i)
			break
		}
		drawEffect(&b, effect)
	}
	fmt.Fprint(w, strings.Map(printable, b.String()))
}

func drawEffect(w io.Writer, e rehearsal.Effect) {
	fmt.Fprintf(w, "%s %s under %s", e.Kind, e.Subject, e.Anchor)
	if len(e.From) > 0 {
		fmt.Fprintf(w, ", by %v", e.From)
	}
	fmt.Fprintln(w)
	if y := e.Why; y != nil {
		fmt.Fprintf(w, "    §%s %s: %s\n    %s\n    %s\n", y.Section, y.Want, short(y.Saw), y.AdviceVI, y.AdviceEN)
	}
	for _, p := range e.Parameters {
		rule := strings.TrimSpace(p.Named() + " " + p.Operator)
		value := func(v any) string { return short(tool.Value(v)) }
		fmt.Fprintf(w, "    %s %s: %s -> %s, by %v\n", rule, value(p.Configured), value(p.Before), value(p.After), p.From)
	}
	for _, kind := range e.MarksLost {
		fmt.Fprintf(w, "    mark that counts no more: %s\n", kind)
	}
	for _, kind := range e.MarksGained {
		fmt.Fprintf(w, "    mark that counts: %s\n", kind)
	}
}

// short cuts a text for a line.
func short(text string) string {
	if runes := []rune(text); len(runes) > 160 {
		return string(runes[:160]) + "…"
	}
	return text
}
