package trust

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz/outbound"
	"hopnhat/cmd/command/tool"
	"hopnhat/federation"
	"hopnhat/federation/fetch"
	"hopnhat/federation/mark"
	"hopnhat/federation/trust"
)

// finding is what became of an entity: the verdict, its marks, and the requests made.
type finding struct {
	verdict  trust.Verdict
	marks    []mark.Verdict
	requests []fetch.Request
}

// source says what is fetched, and from where.
type source struct {
	entity, roots, save string
	networks            []string
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.entity, "fetch", "", "the `ENTITY` whose statements are fetched over HTTPS")
	cmd.Flags().StringArrayVar(&s.networks, "network", nil, "a network that is reached besides the public internet, as `10.0.0.0/8`; more than once for several")
	cmd.Flags().StringVar(&s.roots, "ca", "", "`FILE` of the certificates (PEM) that are believed instead of the machine's")
	cmd.Flags().StringVar(&s.save, "save", "", "write the statements that were fetched to `FILE`")
}

// find fetches what there is about the entity, and judges it.
func (s *source) find(ctx context.Context, words []string, subject string, anchors []trust.Anchor, now time.Time) (finding, error) {
	if len(words) > 0 || subject != "" {
		return finding{}, errors.New("--fetch takes no FILE and no --subject: the statements are fetched")
	}
	id, err := federation.ParseEntityID(s.entity)
	if err != nil {
		return finding{}, fmt.Errorf("--fetch: %w", err)
	}
	out, err := s.client()
	if err != nil {
		return finding{}, err
	}
	above := make([]federation.EntityID, len(anchors))
	for i, a := range anchors {
		above[i] = a.ID
	}
	round := fetch.New(out, nil).Round()
	got := round.Collect(ctx, id, above)
	f := finding{requests: got.Requests}
	if err := s.keep(got); err != nil {
		return f, err
	}
	verdicts := trust.Resolve(id, got.Pool(), anchors, now)
	if len(verdicts) == 0 {
		return f, unreachable(got)
	}
	f.verdict = verdicts[0]
	for _, m := range f.verdict.Chain[0].Marks {
		q := mark.Question{Holder: id, Beside: m.Type, Now: now}
		if parsed, err := mark.Parse(m.JWT); err == nil {
			issuer := round.Collect(ctx, parsed.Issuer, []federation.EntityID{f.verdict.Anchor})
			chains := trust.Resolve(parsed.Issuer, issuer.Pool(), anchors, now)
			under := slices.IndexFunc(chains, func(v trust.Verdict) bool { return v.Anchor == f.verdict.Anchor })
			if under >= 0 {
				q.Issuer = chains[under]
			}
		}
		f.marks = append(f.marks, mark.Validate(m.JWT, q))
	}
	return f, nil
}

func (s *source) client() (*outbound.Client, error) {
	b := outbound.Bounds{}
	for _, text := range s.networks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--network %q is no network, such as 10.0.0.0/8", text)
		}
		b.Networks = append(b.Networks, network.Masked())
	}
	if s.roots != "" {
		pem, err := tool.ReadFile(s.roots, maxFile)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if b.Roots = x509.NewCertPool(); !b.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s has no certificate in PEM", s.roots)
		}
	}
	return outbound.NewWithin(b), nil
}

// keep writes the statements as a file that explain reads.
func (s *source) keep(got fetch.Collection) error {
	if s.save == "" {
		return nil
	}
	tokens := make([]string, len(got.Statements))
	for i, one := range got.Statements {
		tokens[i] = one.Token()
	}
	raw, err := json.MarshalIndent(tokens, "", "  ")
	if err == nil {
		err = os.WriteFile(s.save, raw, 0o644)
	}
	if err != nil {
		return fmt.Errorf("--save: %w", err)
	}
	return nil
}

// unreachable says why there is no chain: the first thing that could not be fetched.
func unreachable(got fetch.Collection) error {
	for _, r := range got.Requests {
		if r.Err != nil {
			return fmt.Errorf("no path leads from %s to an anchor: the statement of %s about %s: %w", got.Subject, r.Issuer, r.Subject, r.Err)
		}
	}
	return fmt.Errorf("no path leads from %s to an anchor: none of its superiors leads to one of those given with --anchor", got.Subject)
}

// drawRequests prints what was fetched.
func drawRequests(w io.Writer, requests []fetch.Request) {
	for _, r := range requests {
		about := "about " + string(r.Subject)
		if r.Issuer == r.Subject {
			about = "about itself"
		}
		if r.Err != nil {
			fmt.Fprintf(w, "GET %s %s: %v\n", r.Issuer, about, r.Err)
			continue
		}
		fmt.Fprintf(w, "GET %s %s\n", r.Issuer, about)
	}
	if len(requests) > 0 {
		fmt.Fprintln(w)
	}
}

// drawMarks prints the trust marks of the entity, and the check that one which does not
// count failed.
func drawMarks(w io.Writer, marks []mark.Verdict) {
	for _, m := range marks {
		if m.Valid() {
			fmt.Fprintf(w, "DẤU TIN CẬY / TRUST MARK: %s of %s\n", m.Mark.Type, m.Mark.Issuer)
			continue
		}
		fmt.Fprintf(w, "DẤU KHÔNG CÓ GIÁ TRỊ / MARK THAT DOES NOT COUNT: %s of %s: %v\n", m.Mark.Type, m.Mark.Issuer, m.Err)
	}
}
