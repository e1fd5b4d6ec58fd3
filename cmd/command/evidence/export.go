package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/querytext"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/exporting"
	"hopnhat/cmd/node/releaselog"
	events "hopnhat/store/evidence"
	"hopnhat/web/evidence"
)

// exportFlags are those of `hopnhat audit export`.
type exportFlags struct {
	out, auditor, why string
	from, to, parts   string
	query             audit.Query
}

// Export is `hopnhat audit export`.
func Export(e *tool.Env) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use: "export --for NUMBER --why TEXT --out FILE", Short: "Export events with their proofs, of any number and of both logs", Args: tool.NoWords,
		Long: `Writes the events that a query selects, with proofs of their places, as the console's export does for
a few hundred: one file, of as many quarters as the events are of and of both logs, whose signed
manifest counts what was found. It is checked with hopnhat audit verify. Without a query it is of
all events.

It is made for an auditor, whom --for names by her number. That it was made, why and by which
account of the machine is evidence before anything is written, and each person of whom it holds
something sees that, where she sees the event. It runs where the folder of the log is, beside a
server, and holds a few hundred events at a time; what it needs besides is in temporary files as
large as the export. A verifier reads 256 MB. Where more is found, nothing is written: ask for parts.
With --parts quarter, month or day there is a file for each, of the time from --from to --to (now if
it is not given), in UTC: of q4.proof they are q4-2026-10.proof and so on. Each is an export of its own.

Exit codes: 0 it is written, 1 it is not, 2 wrong use.`,
		Example: tool.Lines(`hopnhat audit export --for 099180000305 --why "inspection 12" --from 2026-10-01T00:00:00Z --to 2027-01-01T00:00:00Z --out q4.proof`,
			`hopnhat audit export --for 099180000305 --why "inspection 12" --from 2026-10-01T00:00:00Z --to 2027-01-01T00:00:00Z --parts month --out q4.proof`),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.auditor, "for", "", "the auditor's `number`")
	flags.StringVar(&f.why, "why", "", "the reason, which stands in the evidence; no number of a person")
	flags.StringVar(&f.out, "out", "", "`file` to write, which must not be there")
	flags.StringVar(&f.query.Pseudonym, "pseudonym", "", "of the person with this `pseudonym` in the evidence")
	flags.StringVar((*string)(&f.query.Client), "client", "", "of this app")
	flags.StringVar((*string)(&f.query.Purpose), "purpose", "", "for this purpose")
	flags.StringVar((*string)(&f.query.Type), "type", "", "of this `kind`, such as release.permitted")
	flags.StringVar((*string)(&f.query.Outcome), "outcome", "", "permit or refuse")
	flags.StringVar(&f.from, "from", "", "decided at this `time` (RFC 3339) or later")
	flags.StringVar(&f.to, "to", "", "decided before this `time`")
	flags.StringVar(&f.parts, "parts", "", "a file for each `quarter`, month or day")
	cmd.PreRunE = func(*cobra.Command, []string) error { return f.check() }
	return e.WithBase(cmd, config.Audit, func(ctx context.Context, b *node.Base, _ []string) error { return export(ctx, e, b, f) })
}

// check reads the query.
func (f *exportFlags) check() (err error) {
	if f.auditor == "" || f.why == "" || f.out == "" {
		return errors.New("say --for, --why and --out: for which auditor, why, and where to")
	}
	if err := authz.CheckFreeText(f.why); err != nil {
		return fmt.Errorf("--why stands in the evidence: %w", err)
	}
	for _, side := range []struct {
		flag, text string
		into       *time.Time
	}{{"--from", f.from, &f.query.From}, {"--to", f.to, &f.query.To}} {
		if side.text == "" {
			continue
		}
		if *side.into, err = time.Parse(time.RFC3339, side.text); err != nil {
			return fmt.Errorf("%s is no time such as 2026-10-01T00:00:00Z: %w", side.flag, err)
		}
	}
	return f.query.Check()
}

// export makes the export.
func export(ctx context.Context, e *tool.Env, b *node.Base, f exportFlags) (err error) {
	auditor, err := b.DB.AccountOf(ctx, authz.PersonalNumber(authz.Typed(f.auditor)))
	if errors.Is(err, authz.ErrNotFound) {
		return errors.New("nobody has an account with the number of --for; see hopnhat account enrol")
	}
	if err != nil {
		return fmt.Errorf("the account: %w", err)
	}
	roles, err := b.DB.RolesOf(ctx, auditor.Subject)
	if err != nil {
		return err
	}
	if !slices.Contains(roles, authz.Auditor) {
		return errors.New("the person of --for is no auditor; see hopnhat account role grant")
	}
	site := exporting.Site{Archives: releaselog.Archives(b.Config.State, b.Config.LogOrigin, b.Config.LogFolder), Ring: b.Ring}
	sign, vkey, err := site.Signing()
	if err != nil {
		return err
	}
	parts := []exporting.Part{{From: f.query.From, To: f.query.To}}
	if f.parts != "" {
		if f.query.To.IsZero() {
			f.query.To = time.Now()
		}
		if parts, err = exporting.Parts(f.query.From, f.query.To, f.parts); err != nil {
			return err
		}
	}
	basis, _ := b.Catalogue.Basis(authz.BasisSupervision)
	look := audit.Act{
		Action: audit.Export, Actor: auditor.Subject, Person: audit.Person{Pseudonym: f.query.Pseudonym, Role: authz.Auditor},
		App:        &authz.Client{ID: evidence.ConsoleClient, Name: authz.LocalizedText{VI: "Bảng kiểm toán"}},
		Reason:     audit.Reason{Purpose: "supervise.inspect", Basis: authz.BasisSupervision, Citation: basis.Citation},
		Detail:     audit.Detail{Object: commitment.Bounded(tool.OSUser()), Text: commitment.Bounded(f.why)},
		Visibility: audit.Visibility{Sight: audit.Hidden},
	}
	told := time.Now()
	x := exporting.Exporter{
		Rows: events.Exports{Book: b.DB.Evidence}, Shard: site.Shard, Sign: sign, Keys: []string{vkey}, Write: b.Scribe(), Now: time.Now,
		Progress: func(events int, origin string) {
			if time.Since(told) > 2*time.Second {
				told = time.Now()
				e.Progress("%d events, at %s", events, origin)
			}
		},
	}
	for _, part := range parts {
		one := f
		if one.query.From, one.query.To = part.From, part.To; part.Name != "" {
			ending := filepath.Ext(f.out)
			one.out = strings.TrimSuffix(f.out, ending) + "-" + part.Name + ending
		}
		look.Data = audit.Data{Query: querytext.Text(one.query)}
		if err := write(ctx, e, x, one, look); err != nil {
			return err
		}
	}
	return nil
}

// write makes one file.
func write(ctx context.Context, e *tool.Env, x exporting.Exporter, f exportFlags, look audit.Act) error {
	files, remove, err := temporary()
	if err != nil {
		return err
	}
	defer remove()
	out, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	id, covered, err := x.Export(ctx, f.query, look, out, files)
	if err = errors.Join(err, out.Sync(), out.Close()); errors.Is(err, proof.ErrTooLarge) {
		err = fmt.Errorf("%w, or for parts of it: --parts quarter, month or day", err)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.out))
	}
	e.Printf("export %s is in %s: %s\n", id, f.out, covered.Text("en"))
	return nil
}

// temporary are the files that an export is put together of; nobody else reads them.
func temporary() (files [3]io.ReadWriteSeeker, remove func(), err error) {
	var all []*os.File
	remove = func() {
		for _, f := range all {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}
	for i := range files {
		f, err := os.CreateTemp("", "hopnhat-export-*") // mode 0600
		if err != nil {
			remove()
			return files, nil, fmt.Errorf("making a temporary file: %w", err)
		}
		all, files[i] = append(all, f), f
	}
	return files, remove, nil
}
