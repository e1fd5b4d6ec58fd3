package suite

import (
	"net/url"
	"testing"
)

// TestReadPage reads a page as a browser does.
func TestReadPage(t *testing.T) {
	at, _ := url.Parse("https://op.example/a/b")
	p, err := ReadPage(at, 200, `<!doctype html><title> Sign  in </title><style>x</style><p>Hello <b>you</b></p>
		<form id="f" method="post" action="../next?x=1"><input type=hidden name=csrf value="a&amp;b"><input name=number value=1>
		<input type=checkbox name=item value=one><input type=checkbox name=item value=two checked><input type=checkbox name=plain>
		<textarea name=t>text</textarea><select name=s><option value=1><option value=2 selected></select><button name=decision value=agree>Yes</button></form>
		<button form=f name=decision value=decline>No</button><input name=outside>
		<a href="/policy">p</a><iframe src="//rp.example/out"></iframe><img src="logo.png">`)
	if err != nil {
		t.Fatal(err)
	}
	if p.Title != "Sign  in" || p.Text != "Hello you Yes No p" {
		t.Errorf("title %q, text %q", p.Title, p.Text)
	}
	if len(p.Links) != 1 || p.Links[0] != "https://op.example/policy" || len(p.Frames) != 1 || p.Frames[0] != "https://rp.example/out" ||
		len(p.Images) != 1 {
		t.Errorf("links %q, frames %q, images %q", p.Links, p.Frames, p.Images)
	}
	if len(p.Forms) != 1 {
		t.Fatalf("%d forms", len(p.Forms))
	}
	f := p.Forms[0]
	if f.Action.String() != "https://op.example/next?x=1" || f.Method != "POST" || !f.Has("number") || f.Has("outside") ||
		f.Has("decision") {
		t.Errorf("form %+v", f)
	}
	if !f.Button("decision") || !f.Button("decision=decline") || f.Button("decision=maybe") || f.Button("number") {
		t.Error("buttons")
	}
	want := url.Values{"csrf": {"a&b"}, "number": {"1"}, "item": {"two"}, "t": {"text"}, "s": {"2"}, "decision": {"agree"}}
	if got := f.values(nil, "decision=agree").Encode(); got != want.Encode() {
		t.Errorf("sends %s, want %s", got, want.Encode())
	}
	want["item"] = []string{"one", "two"}
	if got := f.values([]string{"item"}, "decision=agree").Encode(); got != want.Encode() {
		t.Errorf("with boxes ticked sends %s, want %s", got, want.Encode())
	}
}

// TestStepFits: a step fits when all it names is there.
func TestStepFits(t *testing.T) {
	at, _ := url.Parse("https://op.example/signin/code")
	p, _ := ReadPage(at, 200, `<form><input name=code><button name=d value=agree></button></form>`)
	for _, row := range []struct {
		name string
		step Step
		want bool
	}{
		{"the field", Step{Field: "code"}, true},
		{"another field", Step{Field: "password"}, false},
		{"a part of the path", Step{URL: "/signin"}, true},
		{"another path", Step{URL: "/consent", Field: "code"}, false},
		{"the button", Step{Button: "d=agree"}, true},
		{"the button of another value", Step{Field: "code", Button: "d=decline"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.step.fits(p, p.Forms[0]); got != row.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
