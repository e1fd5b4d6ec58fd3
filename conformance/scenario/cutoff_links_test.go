//go:build namespaces

package scenario_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/sys/unix"
)

// namespace is a host of a network namespace that conformance/harness/drills/cutoff.sh made.
func namespace(t *testing.T, name, host string) place {
	t.Helper()
	prefix := os.Getenv("DRILL_NAMESPACES")
	if prefix == "" {
		t.Fatal("DRILL_NAMESPACES is empty: run this with `make drills DRILLS=cutoff`")
	}
	within := func(do func()) {
		runtime.LockOSThread() // what is done on the thread is done in its namespace
		defer runtime.UnlockOSThread()
		own, err1 := os.Open("/proc/thread-self/ns/net")
		other, err2 := os.Open("/var/run/netns/" + prefix + name)
		if err1 != nil || err2 != nil {
			panic("the namespaces are gone")
		}
		defer own.Close()
		defer other.Close()
		enter := func(f *os.File) {
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				panic("entering a namespace: " + err.Error())
			}
		}
		enter(other)
		defer enter(own)
		do()
	}
	dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
		within(func() { c, err = (&net.Dialer{}).DialContext(ctx, network, address) })
		return c, err
	}
	return place{host, dial, within}
}

// wire takes the link of a host down, or up.
func wire(t *testing.T, name, state string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), "ip", "link", "set", name, state).CombinedOutput(); err != nil {
		t.Fatalf("ip link set %s %s: %v %s", name, state, err, output)
	}
}

// resolved is what a server answers about an entity, without the times of the answer.
func (c *cut) resolved(t *testing.T, at, about *site) map[string]any {
	t.Helper()
	raw := at.says(t, "/federation/resolve", url.Values{"sub": {about.base}, "trust_anchor": {c.anchor.base}})
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
	claims := map[string]any{}
	if err != nil || token.UnsafeClaimsWithoutVerification(&claims) != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	return map[string]any{"metadata": claims["metadata"], "trust_chain": claims["trust_chain"], "trust_marks": claims["trust_marks"]}
}

// TestCutOffLinks: four servers in network namespaces. The link of one province is taken down:
// people go on signing in inside, nothing changes for the other province, and a lock of the centre
// is taken when the link is back.
func TestCutOffLinks(t *testing.T) {
	began := time.Now()
	say := func(text string) { t.Logf("%4.0f s: %s", time.Since(began).Seconds(), text) }
	c := newCut(t, namespace(t, "anchor", "10.34.0.11"), namespace(t, "centre", "10.34.0.12"), map[string]place{
		"danang.example.vn": namespace(t, "danang", "10.34.0.13"), "hue.example.vn": namespace(t, "hue", "10.34.0.14"),
	})
	danang, hue := c.provinces[0], c.provinces[1]
	an, binh := c.centre.someone(t), c.centre.someone(t)
	ofAn, ofBinh := c.centre.browser(t), c.centre.browser(t)
	c.chooses(t, ofAn, an, danang)
	c.chooses(t, ofBinh, binh, hue)
	name, other := c.alike(t, ofAn, an, danang), c.alike(t, ofBinh, binh, hue)
	say("two provinces are fed, and name people as the centre does")
	atCentre, atDanang := c.resolved(t, c.centre, hue.site), c.resolved(t, danang.site, hue.site)

	wire(t, "danang", "down")
	client := &http.Client{Transport: danang.transport(), Timeout: 2 * time.Second}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.centre.base+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := client.Do(request); err == nil {
		answer.Body.Close()
		t.Fatal("the province is not cut off")
	}
	had := danang.goesOn(t, an, name)
	say("inside the province that is cut off a person signed in to its app")
	again := hue.browser(t)
	for at, b := range map[*site]*http.Client{c.centre: ofBinh, hue.site: again} {
		if sub, _ := hue.signsIn(t, at, b, binh); sub != other {
			t.Errorf("%s names a person of the other province %q, before %q", at.base, sub, other)
		}
	}
	if now := c.resolved(t, c.centre, hue.site); !reflect.DeepEqual(now, atCentre) {
		t.Errorf("the centre answers about the other province %v, before %v", now, atCentre)
	}
	if now := c.resolved(t, danang.site, hue.site); !reflect.DeepEqual(now, atDanang) {
		t.Errorf("the province that is cut off answers about the other %v, before %v", now, atDanang)
	}
	say("answers about the other province are those of before, and its people sign in there and at the centre")

	c.centre.command(t, "account", "lock", an.Number)
	wire(t, "danang", "up")
	danang.ends(t, an, had)
	say("the link is back: what the centre locked meanwhile is locked in the province")
	if sub, _ := danang.signsIn(t, c.centre, ofBinh, binh); sub == "" {
		t.Error("nobody signs in at the centre to the app of the province")
	}
	hue.signsIn(t, hue.site, again, binh)
}
