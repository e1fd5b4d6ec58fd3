package view

import (
	"bytes"
	"errors"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	tree "text/template/parse"
	"time"

	"hopnhat/web/view/ways"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/web/view/federated"
	"hopnhat/web/view/plain"
)

// keysOf are the literal keys a template asks the catalogue for.
func keysOf(t *testing.T, root *tree.Tree) []string {
	t.Helper()
	var keys []string
	var walk func(n tree.Node)
	walk = func(n tree.Node) {
		if n == nil || reflect.ValueOf(n).IsNil() {
			return
		}
		switch n := n.(type) {
		case *tree.ListNode:
			for _, c := range n.Nodes {
				walk(c)
			}
		case *tree.ActionNode:
			walk(n.Pipe)
		case *tree.PipeNode:
			for _, c := range n.Cmds {
				walk(c)
			}
		case *tree.CommandNode:
			if id, ok := n.Args[0].(*tree.IdentifierNode); ok && id.Ident == "t" && len(n.Args) > 1 {
				if s, ok := n.Args[1].(*tree.StringNode); ok {
					keys = append(keys, s.Text)
				}
			}
			for _, c := range n.Args {
				walk(c)
			}
		case *tree.IfNode:
			walk(n.Pipe)
			walk(n.List)
			walk(n.ElseList)
		case *tree.RangeNode:
			walk(n.Pipe)
			walk(n.List)
			walk(n.ElseList)
		case *tree.WithNode:
			walk(n.Pipe)
			walk(n.List)
			walk(n.ElseList)
		case *tree.TemplateNode:
			walk(n.Pipe)
		}
	}
	walk(root.Root)
	return keys
}

// computedKeys are the keys that values of our types name.
func computedKeys() []string {
	var keys []string
	add := func(k ...string) { keys = append(keys, k...) }
	add(EventType("").Key(), ConsentState("").Key())
	for _, l := range Langs() {
		add(l.Key())
	}
	for _, s := range []Section{SectionTimeline, SectionConsents, SectionRequests, SectionSessions, SectionSearch, SectionExports, SectionApps, SectionLogouts, SectionIncidents, SectionFederation} {
		add(s.Key())
	}
	for _, k := range append(IncidentKinds(), "of-a-later-release") {
		add(k.Key())
		add(k.What())
	}
	for _, w := range IncidentWords() {
		add(IncidentMore{Word: w}.Key())
	}
	for _, s := range []IncidentState{IncidentOpen, IncidentProposed, IncidentClosed} {
		add(s.Key())
	}
	for _, p := range []IncidentProblem{IncidentReason, IncidentLong, IncidentNumber, IncidentText, IncidentSame, IncidentMoved} {
		add(p.Key())
	}
	for _, a := range []AppState{AppEnabled, AppDisabled, AppDeleted, AppLapsed} {
		add(a.Key())
	}
	for _, p := range []SignInProblem{SignInWrong, SignInMissing, SignInMalformed, SignInThrottled, SignInLate, SignInBusy, SignInPasskey, SignInPasskeyLate} {
		add(p.Key())
	}
	for _, p := range []UserCodeProblem{UserCodeUnknown, UserCodeThrottled} {
		add(p.Key())
	}
	for _, r := range ApproveResults() {
		add(r.Title(), r.Text())
	}
	for _, p := range []CodeProblem{CodeWrong, CodeMalformed, CodeThrottled, CodePasskey, CodePasskeyLate} {
		add(p.Key())
	}
	for _, p := range []ConsentProblem{ConsentNothingChosen, ConsentRequiredMissing} {
		add(p.Key())
	}
	for _, k := range ErrorKinds() {
		add(k.Title(), k.Cause(), k.Next())
	}
	for _, c := range []Consent{sampleConsent(""), sampleToldConsent(), {}} {
		add(c.Title())
		add(c.Heading())
	}
	for _, s := range ConsentStates() {
		add(s.Key())
		add(s.Step())
	}
	for _, a := range LogoutAnswers() {
		add(a.Key())
	}
	for _, d := range DeliveryStates() {
		add(d.Key())
		add(d.ForPerson())
	}
	for _, d := range append(DeliveryCauses(), "other") {
		add(d.Key())
	}
	for _, e := range EventTypes() {
		add(e.Key())
	}
	for _, p := range []SearchProblem{SearchRange, SearchTime, SearchPseudonym, SearchUnknown} {
		add(p.Key())
	}
	for _, l := range []Look{LookSearched, LookOpened, LookExported} {
		add(l.Key())
	}
	for _, f := range RecordFaults() {
		add(f.Key())
	}
	for _, state := range federated.SubordinateStates() {
		add(state.Key())
	}
	for _, kind := range federated.EffectKinds() {
		add(kind.Key())
	}
	for _, r := range federated.TrustRules() {
		add(r.Key())
	}
	for _, p := range federated.FederationProblems() {
		add(p.Key())
	}
	for _, f := range ways.UpstreamFaults() {
		add(f.Key())
	}
	for _, name := range FactNames() {
		add(Fact{Name: name}.Key())
	}
	for _, g := range GroupNames() {
		add(g.Key())
	}
	for _, role := range authz.Roles() {
		add(Act{Role: role}.Key())
		add(Act{Role: role, Revoked: true}.Key())
	}
	add(Act{Opened: true}.Key())
	for _, action := range []audit.Action{audit.RegionalChosen, audit.RegionalWithdrawn, audit.RegionalHanded, audit.RegionalReceived, audit.RegionalJoined} {
		add(Act{Regional: string(action)}.Key())
	}
	for _, action := range []audit.Action{audit.PasskeyAdded, audit.PasskeyRemoved, audit.PasskeyRefused} {
		add(Act{Passkey: string(action)}.Key())
	}
	for _, done := range []ways.PasskeyDone{ways.PasskeyAdded, ways.PasskeyRemoved} {
		add(done.Key())
	}
	for _, p := range []ways.PasskeyProblem{ways.PasskeyName, ways.PasskeyLate, ways.PasskeyTaken, ways.PasskeyFull, ways.PasskeyRefused} {
		add(p.Key())
	}
	for _, done := range []ProvinceDone{ProvinceChosen, ProvinceWithdrawn} {
		add(done.Key())
	}
	return keys
}

var placeholder = regexp.MustCompile(`\{\d\}`)

func TestEveryTextIsThereInBothLanguagesAndUsed(t *testing.T) {
	used := map[string]bool{}
	for _, k := range computedKeys() {
		used[k] = true
	}
	for _, file := range sourceFiles(t) {
		for _, found := range constants.FindAllStringSubmatch(file.text, -1) {
			if found[1] == "t" {
				used[found[2]] = true
			}
		}
	}
	for _, page := range parsed[Vietnamese] {
		for _, own := range page.Templates() {
			if own.Tree == nil {
				continue
			}
			for _, k := range keysOf(t, own.Tree) {
				used[k] = true
			}
		}
	}
	for k := range used {
		for _, lang := range Langs() {
			if strings.TrimSpace(catalogue[lang][k]) == "" {
				t.Errorf("text %q is missing in %q", k, lang)
			}
		}
	}
	for _, lang := range Langs() {
		for k, text := range catalogue[lang] {
			if !used[k] {
				t.Errorf("text %q in %q is used nowhere", k, lang)
			}
			vi := placeholder.FindAllString(catalogue[Vietnamese][k], -1)
			if got := placeholder.FindAllString(text, -1); len(got) != len(vi) {
				t.Errorf("text %q in %q has the values %v, in Vietnamese %v", k, lang, got, vi)
			}
			if strings.ContainsAny(text, "<>") {
				t.Errorf("text %q in %q holds markup", k, lang)
			}
		}
	}
}

func TestEveryTemplateBelongsToAPage(t *testing.T) {
	known := map[string]bool{"layout.html": true, "parts.html": true}
	for _, p := range pages() {
		name := reflect.TypeOf(p).Name()
		if p.page() != name {
			t.Errorf("page %s calls its template %s", name, p.page())
		}
		known[name+".html"] = true
	}
	files, err := fs.ReadDir(sources, "templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("%s belongs to no page", f.Name())
		}
	}
	shown := map[string]bool{}
	for _, s := range Book() {
		shown[s.Page.page()] = true
	}
	for _, p := range pages() {
		if !shown[p.page()] {
			t.Errorf("page %s is not in the book", p.page())
		}
	}
}

func TestValuesAreEscapedWhereTheyStand(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	app := App{Name: Words{VI: evil}, Owner: Words{VI: evil}, Site: evil}
	rows := []struct {
		name string
		page Page
	}{
		{"an app's name, as text and in an attribute", Consents{Active: []ConsentCard{{App: app, State: StateApproved, WithdrawURL: "/w", URL: "/c"}}}},
		{"an app's name in the title", Consent{App: app, Form: Form{Action: "/consent"}}},
		{"what the person typed", SignIn{Number: evil, App: &app, Problem: SignInWrong}},
		{"what the app sent", Error{Kind: ErrorBadRequest, Code: evil, Reference: evil, Developer: &Developer{Description: evil, Fields: []Field{{evil, evil}}}}},
		{"state of a form post", FormPost{Action: "https://app.example/cb", Fields: []Field{{"state", evil}}, App: app}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Render(&b, Shell{Path: "/" + evil, SignedInAs: evil, CSRF: evil}, row.page); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b.Bytes(), []byte("<script>alert")) {
				t.Error("markup came through")
			}
		})
	}
	t.Run("an address that would run a script", func(t *testing.T) {
		var b bytes.Buffer
		page := LoggedOut{Return: &app, ReturnURL: "javascript:alert(1)", HomeURL: "javascript:alert(1)"}
		if err := Render(&b, Shell{}, page); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b.Bytes(), []byte("javascript:")) {
			t.Error("a javascript: address came through")
		}
	})
}

func TestNothingIsTickedBeforehand(t *testing.T) {
	// Decree 356/2025/NĐ-CP Art. 6(3): no default-on setting.
	for _, s := range Book() {
		c, ok := s.Page.(Consent)
		if !ok || c.Problem != "" {
			continue
		}
		var b bytes.Buffer
		if err := Render(&b, s.Shell(), c); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b.Bytes(), []byte(" checked")) {
			t.Errorf("%s has a ticked box", s.Name)
		}
	}
}

func TestLanguageLinksStayHere(t *testing.T) {
	rows := []struct{ name, path, want string }{
		{"a path", "/portal", "/portal?lang=en"},
		{"a path with a query", "/portal?before=1", "/portal?before=1&lang=en"},
		{"a language that is there already", "/portal?lang=vi", "/portal?lang=en"},
		{"another host", "https://evil.example/x", "/?lang=en"},
		{"another host without a scheme", "//evil.example/x", "/?lang=en"},
		{"another host in disguise", `/\evil.example`, "/?lang=en"},
		{"a script", "javascript:alert(1)", "/?lang=en"},
		{"nothing", "", "/?lang=en"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := withLang(row.path, English); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestTimesAreThoseOfVietnam(t *testing.T) {
	evening := time.Date(2026, 12, 31, 18, 4, 59, 0, time.UTC)
	if got, want := plain.At(evening), "01/01/2027 01:04"; got != want {
		t.Errorf("at: got %q, want %q", got, want)
	}
}

func TestEveryKindOfEventHasAText(t *testing.T) {
	for _, kind := range audit.Types() {
		if !slices.Contains(EventTypes(), EventType(kind)) {
			t.Errorf("an event of kind %q has no text", kind)
		}
	}
}

func TestFrequencyAndDataLife(t *testing.T) {
	if f := Frequency("3/day"); f.PerDay() != 3 || f.Once() || f.Unlimited() {
		t.Errorf("3/day is read as %d a day", f.PerDay())
	}
	for _, bad := range []Frequency{"", "x/day", "-1/day", "3/week"} {
		if bad.PerDay() != 0 {
			t.Errorf("%q is read as %d a day", bad, bad.PerDay())
		}
	}
	if DataLife("P30D").Days() != 30 {
		t.Errorf("P30D is read as %d days", DataLife("P30D").Days())
	}
	for _, bad := range []DataLife{"", "30", "P1M", "PD", "P-3D"} {
		if bad.Days() != 0 {
			t.Errorf("%q is read as %d days", bad, bad.Days())
		}
	}
}

func TestDaysGroupByTheDayInVietnam(t *testing.T) {
	late := time.Date(2026, 11, 23, 16, 30, 0, 0, time.UTC) // 23:30 on the 23rd
	days := Timeline{Releases: []Release{{At: late.Add(time.Hour)}, {At: late}, {At: late.Add(-time.Hour)}}}.Days()
	if len(days) != 2 || len(days[0].Releases) != 1 || len(days[1].Releases) != 2 {
		t.Errorf("got %d days: %+v", len(days), days)
	}
}

type broken struct{}

var errBroken = errors.New("the browser has gone")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestRenderSaysWhatFailed(t *testing.T) {
	if err := Render(broken{}, Shell{}, Home{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
	var b bytes.Buffer
	if err := Render(&b, Shell{Lang: "fr"}, Home{}); err == nil || b.Len() > 0 {
		t.Errorf("a language we do not speak: %v, %d bytes written", err, b.Len())
	}
}

func BenchmarkRenderConsent(b *testing.B) {
	page := sampleConsent("")
	for b.Loop() {
		if err := Render(&bytes.Buffer{}, Shell{Path: "/consent", CSRF: "x"}, page); err != nil {
			b.Fatal(err)
		}
	}
}
