package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz/calendar"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/federation"
	"hopnhat/federation/history"
)

// Past is what `federation explain ENTITY --at TIME --json` prints.
type Past struct {
	Subject federation.EntityID `json:"subject"`
	At      time.Time           `json:"at"`
	// Looking says that a server was looking at the time; Trusted that one that was looking
	// trusted the entity.
	Looking bool             `json:"looking"`
	Trusted bool             `json:"trusted"`
	Nodes   []history.Answer `json:"nodes"`
}

// explainPast gives a command what it needs to ask what the servers kept.
func explainPast(e *tool.Env, cmd *cobra.Command, at *string, asJSON *bool) func(*cobra.Command, []string) error {
	e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		id, err := federation.ParseEntityID(words[0])
		if err != nil {
			return err
		}
		if *at == "" {
			return errors.New("name a time with --at, as 2027-03-03T09:14; how an entity stands now, --fetch says")
		}
		when, err := history.ParseTime(*at)
		if err != nil {
			return fmt.Errorf("--at: %w", err)
		}
		answers, err := b.DB.Histories.VerdictsAt(ctx, id, when)
		if err != nil {
			return err
		}
		p := past(id, when, answers)
		if *asJSON {
			err = e.JSON(p)
		} else {
			var out strings.Builder
			drawPast(&out, p)
			e.Printf("%s", strings.Map(printable, out.String()))
		}
		if err == nil && !p.Trusted {
			return tool.ExitCode(tool.Failed)
		}
		return err
	})
	return cmd.RunE
}

func past(id federation.EntityID, at time.Time, answers []history.Answer) Past {
	p := Past{Subject: id, At: at.UTC(), Nodes: []history.Answer{}}
	for _, a := range answers {
		p.Nodes = append(p.Nodes, a)
		p.Looking = p.Looking || a.Looked(at)
		p.Trusted = p.Trusted || a.Looked(at) && a.Trusted
	}
	return p
}

// stamp is a time as people in Viet Nam read it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.In(calendar.Hanoi).Format("2006-01-02 15:04:05 -07:00")
}

// drawPast prints what each server knew, and the verdict last.
func drawPast(w io.Writer, p Past) {
	for _, a := range p.Nodes {
		fmt.Fprintf(w, "%s: walk before %s, walk after %s\n", a.Node, stamp(a.Before), stamp(a.After))
		word := "not trusted"
		switch {
		case a.Since.IsZero():
			fmt.Fprintf(w, "  nothing was found of it by then\n")
			continue
		case a.Gone:
			word = "found no more: no statements led to it"
		case a.Trusted:
			word = "trusted under " + string(a.Anchor)
		}
		fmt.Fprintf(w, "  %s, since %s\n", word, stamp(a.Since))
		for _, l := range slices.Backward(a.Chain) {
			about := "states " + string(l.Subject)
			if l.Issuer == l.Subject {
				about = "about itself"
			}
			fmt.Fprintf(w, "  %s %s, keys %s\n", l.Issuer, about, strings.Join(l.Keys, " "))
		}
		if len(a.Marks) > 0 {
			fmt.Fprintf(w, "  marks %s\n", strings.Join(a.Marks, " "))
		}
		if a.Error != "" {
			fmt.Fprintf(w, "  NO §%s %s\n  %s\n  %s\n", a.Section, a.Error, a.AdviceVI, a.AdviceEN)
		}
		if !a.Looked(p.At) {
			fmt.Fprintf(w, "  it was not looking at the time: what it would have found nobody can say\n")
		}
	}
	switch {
	case !p.Looking:
		fmt.Fprintf(w, "KHÔNG RÕ / NOT KNOWN: no server was looking at %s\n", stamp(p.At))
	case p.Trusted:
		fmt.Fprintf(w, "ĐƯỢC TIN CẬY / TRUSTED: %s at %s\n", p.Subject, stamp(p.At))
	default:
		fmt.Fprintf(w, "KHÔNG ĐƯỢC TIN CẬY / NOT TRUSTED: %s at %s\n", p.Subject, stamp(p.At))
	}
}
