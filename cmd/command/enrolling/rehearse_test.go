package enrolling_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/cmd/command/enrolling"
	"hopnhat/cmd/node"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/federation/desk"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/weather"
)

// TestRehearse: what the approval of a policy would harm is printed, by the command and where the
// proposal is shown, and is approved by its digest and not without.
func TestRehearse(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "h.db") },
		"postgres": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) { rehearse(t, newHouse(t, database(t))) })
	}
}

func rehearse(t *testing.T, h house) {
	type claims = federationtest.Claims
	neo, app := federationtest.New(t, us), federationtest.New(t, "https://app.example.vn")
	now := time.Now()
	times := func(c claims) claims {
		c["iat"], c["exp"] = now.Unix(), now.Add(time.Hour).Unix()
		return c
	}
	own := app.Configuration(t, times(claims{
		"authority_hints": []string{us},
		"metadata": claims{"openid_relying_party": claims{
			"organization_name": "Đất đai", "subject_type": "pairwise", "scope": "openid profile",
		}},
	}))
	run := func(code int, words ...string) string {
		t.Helper()
		return h.run(t, code, append([]string{"federation"}, words...)...)
	}
	propose := func(policy string) string {
		t.Helper()
		return run(0, "subordinate", "propose", string(app.ID), "--configuration", file(t, "app.jwt", own), "--agreement", "1",
			"--level", "2", "--until", now.AddDate(1, 0, 0).Format(time.DateOnly), "--policy", file(t, "p.json", policy))
	}
	digest := func() string {
		t.Helper()
		var s enrolling.Shown
		if err := json.Unmarshal([]byte(run(0, "subordinate", "show", string(app.ID), "--json")), &s); err != nil || s.Proposal == nil {
			t.Fatalf("got %+v, %v", s, err)
		}
		return s.Proposal.Digest
	}
	why := ""
	approve := func(effects string) (err error) {
		h.as(t, "os-user:second@test", func(_ *node.Base, d *enrolling.Office) error {
			_, _, err = d.Approve(t.Context(), d.Me, app.ID, desk.Seen{Terms: digest(), Effects: effects, Unrehearsed: why})
			return nil
		})
		return err
	}
	if out := propose(`{}`); !strings.Contains(out, "not rehearsed: nothing is known of the federation here") {
		t.Errorf("got %s", out)
	}
	run(1, "rehearse", string(app.ID))
	run(1, "weather")
	if err := approve(""); !errors.Is(err, desk.ErrUnrehearsed) {
		t.Errorf("unrehearsed, without a reason: %v", err)
	}
	why = "the first of all"
	if err := approve(""); err != nil {
		t.Fatal(err)
	}
	why = ""
	h.config.FederationEntity = file(t, "federation.json",
		`{"organization":"Neo","subordinates":true,"anchors":[{"entity":"`+us+`","jwks":`+string(neo.JWKS(t))+`}]}`)
	h.variables["HOPNHAT_FEDERATION_ENTITY"] = h.config.FederationEntity
	known, err := json.Marshal(map[string]any{"statements": []string{neo.Configuration(t, times(claims{})), neo.About(t,
		app, times(claims{})), own}, "holders": []any{}})
	if err == nil {
		err = os.WriteFile(filepath.Join(h.variables["HOPNHAT_STATE"], "federation.json"), known, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out := propose(`{"metadata_policy":{"openid_relying_party":{"subject_type":{"value":"pairwise"}}}}`); !strings.Contains(out, "nobody is harmed") {
		t.Errorf("got %s", out)
	}
	run(0, "rehearse", string(app.ID))
	propose(`{"metadata_policy":{"openid_relying_party":{"subject_type":{"one_of":["public"]}}}}`)
	out := run(0, "subordinate", "show", string(app.ID))
	for _, want := range []string{
		"1 harmed (trust lost 1", "lost https://app.example.vn under " + us, "§6.1.3.1.4", "openid_relying_party.subject_type one_of",
		"by [" + us + "]", "phải sửa siêu dữ liệu",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
	var r desk.Rehearsal
	err = json.Unmarshal([]byte(run(1, "rehearse", string(app.ID), "--json")), &r)
	if err != nil || len(r.Effects) != 1 || r.Digest == "" || r.Before != 1 || r.After != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := approve(""); err == nil || !strings.Contains(err.Error(), r.Digest) {
		t.Errorf("what harms somebody was approved unseen: %v", err)
	}
	if out := run(1, "rehearse", string(app.ID), "--end"); !strings.Contains(out, "§10.1") {
		t.Errorf("got %s", out)
	}
	run(0, "rehearse", string(app.ID), "--policy", file(t, "p.json", `{}`))
	run(1, "rehearse", string(app.ID), "--policy", file(t, "p.json", `{"constraints":{"allowed_entity_types":[]}}`))
	run(1, "rehearse", string(app.ID), "--stated-keys", file(t, "k.json", string(neo.JWKS(t))))
	run(1, "rehearse", us, "--anchor-keys", file(t, "k.json", string(app.JWKS(t))))
	run(0, "rehearse", us, "--anchor-keys", file(t, "k.json", string(neo.JWKS(t))))
	run(0, "rehearse", us, "--mark-issuers", file(t, "m.json", `{"https://neo.example.vn/marks/public":[]}`))
	run(1, "rehearse", us, "--mark-issuers", file(t, "m.json", `[]`))
	run(1, "rehearse", "https://nobody.example.vn")
	if err := approve(r.Digest); err != nil {
		t.Error(err)
	}
	if out := run(0, "weather"); !strings.Contains(out, "2 trusted, 0 refused, 0 out of reach, 2 with one key") ||
		!strings.Contains(out, "https://app.example.vn: 1 trusted, 0 refused, first end ") {
		t.Errorf("got %s", out)
	}
	var f weather.Forecast
	if err := json.Unmarshal([]byte(run(0, "weather", "--json")), &f); err != nil || len(f.Branches) != 2 || f.FirstEnd.IsZero() {
		t.Errorf("got %+v, %v", f, err)
	}
	if said := h.events(t)[0]; !strings.Contains(said, "harms 1 entities, effects "+r.Digest) {
		t.Errorf("the event says %q", said)
	}
}
