// Package trust has the command that explains why an entity of the federation is trusted or
// not, from statements that somebody has, or that are fetched.
package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/federation"
	"hopnhat/federation/history"
	"hopnhat/federation/metadata"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

// Federation is `hopnhat federation`, with the commands of other rooms below it.
func Federation(e *tool.Env, below ...*cobra.Command) *cobra.Command {
	return tool.Group("federation", "Enrol entities of a federation, and explain why one is trusted or is not",
		"hopnhat federation explain --anchor https://neo.example.vn=neo.jwks chain.json", append(below, explain(e))...)
}

// maxFile bounds a file of statements, and one of keys.
const maxFile = 8 << 20

// Explained is what `federation explain --json` prints.
type Explained struct {
	Subject federation.EntityID `json:"subject"`
	Trusted bool                `json:"trusted"`
	Anchor  federation.EntityID `json:"trust_anchor,omitempty"`
	Expiry  time.Time           `json:"expires,omitzero"`
	// Error is a code of OpenID Federation 1.0 §8.9, with what failed.
	Error    string              `json:"error,omitempty"`
	AdviceVI string              `json:"advice_vi,omitempty"`
	AdviceEN string              `json:"advice_en,omitempty"`
	Chain    []Link              `json:"chain"`
	Trail    []Check             `json:"trail"`
	Steps    []Step              `json:"steps"`
	Metadata federation.Metadata `json:"metadata,omitempty"`
	Marks    []Mark              `json:"trust_marks"`
	Requests []Request           `json:"requests"`
}

// Mark is a trust mark of the entity, and whether it counts.
type Mark struct {
	Type   string              `json:"trust_mark_type"`
	Issuer federation.EntityID `json:"iss"`
	Counts bool                `json:"counts"`
	Error  string              `json:"error,omitempty"`
}

// Request is one that was made to fetch a statement.
type Request struct {
	Issuer  federation.EntityID `json:"iss"`
	Subject federation.EntityID `json:"sub"`
	Error   string              `json:"error,omitempty"`
}

// Link is a statement of the chain.
type Link struct {
	Issuer  federation.EntityID `json:"iss"`
	Subject federation.EntityID `json:"sub"`
	Expiry  time.Time           `json:"exp"`
}

// Check is a line of the trail.
type Check struct {
	Section   string `json:"section"`
	Statement int    `json:"statement"`
	Rule      string `json:"rule"`
	Want      string `json:"want"`
	Saw       string `json:"saw"`
	Passed    bool   `json:"passed"`
}

// Step is a change or check of a metadata parameter.
type Step struct {
	Type      federation.EntityType `json:"entity_type"`
	Parameter string                `json:"parameter,omitempty"`
	Operator  string                `json:"operator"`
	Value     any                   `json:"value"`
	Before    any                   `json:"before"`
	After     any                   `json:"after"`
}

func explain(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain [FILE | ENTITY]", Short: "Say whether an entity is trusted, and why not: from a file without any network, or fetched",
		Long: `Says whether an entity is trusted, from a file of entity statements, by OpenID Federation 1.0.
Giải thích vì sao một thực thể được tin cậy trong liên đoàn, hoặc vì sao không, không cần mạng.

FILE holds a JSON array of statements (compact JWTs): a trust chain in its order, or with --subject any
statements that were collected, of which every chain to an anchor is made. Without FILE, or with -, it is
read from the standard input. The keys of a trust anchor never come from the statements: --anchor names
the file of a JWK Set that came another way.

With --fetch ENTITY the statements are fetched over HTTPS, from the entity up to the anchors, and its trust
marks are judged too. Public addresses are reached, and those of each --network. Giving --save keeps what
was fetched, to be judged again without any network.

ENTITY, a URL, with --at says instead whether this installation trusted the entity at a time that is past, by
what its servers found then and kept for 400 days: by which chain, since when, between which walks through the
federation, and where no server was looking. No keys are needed for that.

Exit codes: 0 trusted, 1 not trusted or it failed, 2 wrong use.`,
		Example: tool.Lines(
			"hopnhat federation explain --anchor https://neo.example.vn=neo.jwks chain.json",
			"hopnhat federation explain --anchor https://neo.example.vn=neo.jwks --subject https://app.example.vn --json statements.json",
			"hopnhat federation explain --anchor https://neo.example.vn=neo.jwks --fetch https://app.example.vn --network 10.0.0.0/8",
			"hopnhat federation explain --anchor https://neo.example.vn=neo.jwks --at 2026-03-03T09:14:00+07:00 chain.json",
			"hopnhat federation explain https://app.example.vn --at 2027-03-03T09:14"),
		Args: cobra.MaximumNArgs(1),
	}
	pinned := cmd.Flags().StringArray("anchor", nil, "a trust anchor and its keys, `ENTITY=FILE` with a JWK Set; more than once for several")
	subject := cmd.Flags().String("subject", "", "the entity in question, where the file holds statements in any order")
	at := cmd.Flags().String("at", "", "the `TIME` of the question, RFC 3339 or as 2027-03-03T09:14 in Viet Nam; now if empty")
	var from source
	from.flags(cmd)
	asJSON := tool.JSONFlag(cmd, tool.Object, Explained{})
	then := explainPast(e, cmd, at, asJSON)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if len(words) == 1 && strings.HasPrefix(words[0], "https://") {
			return then(cmd, words)
		}
		anchors, err := readAnchors(*pinned)
		if err != nil {
			return err
		}
		now := time.Now()
		if *at != "" {
			if now, err = history.ParseTime(*at); err != nil {
				return fmt.Errorf("--at: %w", err)
			}
		}
		var found finding
		if from.entity != "" {
			found, err = from.find(cmd.Context(), words, *subject, anchors, now)
		} else {
			found, err = read(cmd.InOrStdin(), words, *subject, anchors, now)
		}
		if err != nil {
			return err
		}
		verdict := found.verdict
		if *asJSON {
			err = e.JSON(explained(found))
		} else {
			var b strings.Builder
			drawRequests(&b, found.requests)
			draw(&b, verdict)
			drawMarks(&b, found.marks)
			e.Printf("%s", strings.Map(printable, b.String()))
		}
		if err == nil && !verdict.Valid() {
			return tool.ExitCode(tool.Failed)
		}
		return err
	}
	return cmd
}

func readAnchors(pinned []string) (anchors []trust.Anchor, err error) {
	for _, one := range pinned {
		name, file, ok := strings.Cut(one, "=")
		id, err := federation.ParseEntityID(name)
		if !ok || err != nil {
			return nil, fmt.Errorf("--anchor %q is not ENTITY=FILE, such as https://neo.example.vn=neo.jwks", one)
		}
		raw, err := tool.ReadFile(file, maxFile)
		if err != nil {
			return nil, fmt.Errorf("the keys of %s: %w", id, err)
		}
		set, err := jose.ParseSet(raw)
		if err != nil {
			return nil, fmt.Errorf("the keys of %s in %s: %w", id, file, err)
		}
		if set.Len() == 0 {
			return nil, fmt.Errorf("the keys of %s: %s has none that a statement can be signed with", id, file)
		}
		anchors = append(anchors, trust.Anchor{ID: id, Keys: set})
	}
	if len(anchors) == 0 {
		return nil, errors.New("name at least one --anchor with a file of its keys: nobody is trusted without")
	}
	return anchors, nil
}

func readStatements(in io.Reader, words []string) ([]string, error) {
	var raw []byte
	var err error
	if len(words) == 0 || words[0] == "-" {
		raw, err = tool.ReadAll(in, maxFile)
	} else {
		raw, err = tool.ReadFile(words[0], maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the statements: %w", err)
	}
	var tokens []string
	if err := json.Unmarshal(raw, &tokens); err != nil {
		return nil, errors.New(`the file is not a JSON array of statements, ["eyJ…", "eyJ…"]`)
	}
	return tokens, nil
}

// read is the finding about statements of a file.
func read(in io.Reader, words []string, subject string, anchors []trust.Anchor, now time.Time) (finding, error) {
	tokens, err := readStatements(in, words)
	if err != nil {
		return finding{}, err
	}
	v, err := judge(tokens, anchors, now, subject)
	return finding{verdict: v}, err
}

// judge verifies a chain, or the chains that can be made of statements.
func judge(tokens []string, anchors []trust.Anchor, now time.Time, subject string) (trust.Verdict, error) {
	if subject == "" {
		return trust.Verify(tokens, anchors, now), nil
	}
	id, err := federation.ParseEntityID(subject)
	if err != nil {
		return trust.Verdict{}, fmt.Errorf("--subject: %w", err)
	}
	var all []statement.Statement
	for i, token := range tokens {
		s, err := statement.Parse(token)
		if err != nil {
			return trust.Verdict{}, fmt.Errorf("statement %d of the file: %w", i, err)
		}
		all = append(all, s)
	}
	verdicts := trust.Resolve(id, trust.Collect(all...), anchors, now)
	if len(verdicts) == 0 {
		return trust.Verdict{}, fmt.Errorf("no path leads from %s to an anchor: the file needs its configuration, and for each step up "+
			"the statement of the superior and the superior's configuration", id)
	}
	return verdicts[0], nil
}

func explained(f finding) Explained {
	v := f.verdict
	out := Explained{
		Subject: v.Subject, Trusted: v.Valid(), Anchor: v.Anchor, Expiry: v.Expiry.UTC(), Metadata: v.Metadata,
		Chain: []Link{}, Trail: []Check{}, Steps: []Step{}, Marks: []Mark{}, Requests: []Request{},
	}
	for _, m := range f.marks {
		one := Mark{Type: m.Mark.Type, Issuer: m.Mark.Issuer, Counts: m.Valid()}
		if m.Err != nil {
			one.Error = m.Err.Error()
		}
		out.Marks = append(out.Marks, one)
	}
	for _, r := range f.requests {
		one := Request{Issuer: r.Issuer, Subject: r.Subject}
		if r.Err != nil {
			one.Error = r.Err.Error()
		}
		out.Requests = append(out.Requests, one)
	}
	if v.Err != nil {
		out.Error = v.Err.Error()
	}
	out.AdviceVI, out.AdviceEN = v.Advice()
	for _, s := range v.Chain {
		out.Chain = append(out.Chain, Link{s.Issuer, s.Subject, s.Expiry.UTC()})
	}
	for _, c := range v.Trail {
		out.Trail = append(out.Trail, Check{c.Section, c.Statement, string(c.Rule), c.Want, c.Saw, c.Passed})
	}
	for _, s := range v.Steps {
		out.Steps = append(out.Steps, Step{s.Type, s.Parameter, s.Operator, s.Configured, s.Before, s.After})
	}
	return out
}

// printable keeps what a terminal shows as it is written: names in statements are strangers'.
func printable(r rune) rune {
	if r == '\n' || unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// draw prints the chain from the anchor down, each check, each step of the metadata, and
// the verdict last.
func draw(w io.Writer, v trust.Verdict) {
	for i := len(v.Chain) - 1; i >= 0; i-- {
		s := v.Chain[i]
		word := "states " + string(s.Subject)
		if s.IsConfiguration() {
			word = "about itself"
		}
		indent, until := strings.Repeat("  ", len(v.Chain)-1-i), s.Expiry.UTC().Format(time.RFC3339)
		fmt.Fprintf(w, "%s%s %s, until %s  [%d]\n", indent, s.Issuer, word, until, i)
	}
	fmt.Fprintln(w)
	for _, c := range v.Trail {
		sign, where := "ok ", fmt.Sprintf("[%d]", c.Statement)
		if !c.Passed {
			sign = "NO "
		}
		if c.Statement < 0 {
			where = "[-]"
		}
		fmt.Fprintf(w, "%s %s §%s %s: %s\n", sign, where, c.Section, c.Want, c.Saw)
	}
	if len(v.Steps) > 0 {
		fmt.Fprintln(w)
	}
	for _, s := range v.Steps {
		drawStep(w, s)
	}
	fmt.Fprintln(w)
	if v.Valid() {
		fmt.Fprintf(w, "ĐƯỢC TIN CẬY / TRUSTED: %s under %s, until %s\n", v.Subject, v.Anchor, v.Expiry.UTC().Format(time.RFC3339))
		return
	}
	vi, en := v.Advice()
	fmt.Fprintf(w, "KHÔNG ĐƯỢC TIN CẬY / NOT TRUSTED: %v\n  %s\n  %s\n", v.Err, vi, en)
}

func drawStep(w io.Writer, s metadata.Step) {
	sign := "  "
	if s.Changed() {
		sign = "* "
	}
	name := string(s.Type)
	if s.Parameter != "" {
		name += "." + s.Parameter
	}
	fmt.Fprintf(w, "%s%s %s %s: %s -> %s\n", sign, name, s.Operator, tool.Value(s.Configured), tool.Value(s.Before), tool.Value(s.After))
}
