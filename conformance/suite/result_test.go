package suite

import (
	"context"
	"strings"
	"testing"
)

// alone is a suite that asks nobody.
func alone(t *testing.T) *Suite {
	t.Helper()
	s, err := New(Config{Issuer: "https://op.invalid", Registration: Dynamic, Listen: Listen{URL: "http://localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestResults: the worst condition is the result; a panic, an endless Must and a
// module that looks at nothing fail, and the run goes on.
func TestResults(t *testing.T) {
	s := alone(t)
	modules := map[string]struct {
		test   func(r *Run)
		want   Result
		reason string
	}{
		"pass":    {func(r *Run) { r.Must(true, "X §1", "holds", nil) }, Pass, ""},
		"review":  {func(r *Run) { r.Must(true, "", "", nil); r.Review("X §2", "look", "at this") }, Review, `X §2: look; got "at this"`},
		"warning": {func(r *Run) { r.Review("", "", nil); r.Should(false, "X §3", "advised", 3) }, Warning, "X §3: advised; got 3"},
		"fail":    {func(r *Run) { r.Should(false, "", "", nil); r.Expect(false, "X §4", "required", nil) }, Fail, "X §4: required"},
		"stops": {func(r *Run) {
			r.Must(false, "X §5", "required", []string{"a"})
			r.Note("not reached")
		}, Fail, `X §5: required; got ["a"]`},
		"panics":     {func(r *Run) { panic("oh") }, Fail, `: the module runs to its end; got "panic: oh`},
		"nothing":    {func(r *Run) {}, Fail, ": the module looks at something"},
		"network":    {func(r *Run) { r.Get("https://op.invalid/x") }, Fail, ": GET https://op.invalid/x works"},
		"notoffered": {func(r *Run) { r.NotOffered("X §6", "this", nil); r.Expect(false, "", "", nil) }, Review, "X §6: not offered"},
	}
	p := Plan{Name: "p", Parts: []Part{{}}}
	for name, m := range modules {
		p.Parts[0].Modules = append(p.Parts[0].Modules, Module{Name: name, Test: m.test})
	}
	outcomes := s.Run(context.Background(), Options{Parallel: 2}, p)
	if len(outcomes) != len(modules) {
		t.Fatalf("%d outcomes of %d modules", len(outcomes), len(modules))
	}
	for _, o := range outcomes {
		m := modules[o.Module.Name]
		if o.Result != m.want || !strings.HasPrefix(o.Reason(), m.reason) || m.reason == "" && o.Reason() != "" {
			t.Errorf("%s: got %s, %q; want %s, %q", o.Module.Name, o.Result, o.Reason(), m.want, m.reason)
		}
		for _, e := range o.Log {
			if e.Note == "not reached" {
				t.Errorf("%s went on after Must", o.Module.Name)
			}
		}
	}
}
