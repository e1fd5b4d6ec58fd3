package scenario_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hopnhat/conformance/suite"
)

// approval is how a person answers a request that an app made without her browser.
var approval = []suite.Step{{Name: "answer", Field: "symbol", Fill: map[string]string{"symbol": "{symbol}"}, Submit: "decision=approve", Decline: "decision=deny"}}

// TestConformanceCIBA runs the plan of FAPI-CIBA: by poll and by ping, with either way
// to authenticate. The person answers at the citizens' portal.
func TestConformanceCIBA(t *testing.T) {
	n := beginSecureWith(t, 176)
	kinds := []struct{ authentication, mode string }{{"private_key_jwt", "poll"}, {"private_key_jwt", "ping"}, {"mtls", "poll"}, {"mtls", "ping"}}
	configs := make([]suite.Config, len(kinds))
	var file strings.Builder
	people := len(n.people) / len(kinds)
	for i, kind := range kinds {
		c := suiteConfig(t, n)
		c.Steps = append(approval, c.Steps...)
		c.People = c.People[i*people : (i+1)*people]
		c.Variant = suite.Variant{suite.Authentication: kind.authentication, "ciba_mode": kind.mode}
		c.Extra = map[string]any{"ciba": map[string]any{
			"login_hint": "{number}", "page": n.base + "/signin?next=/portal/requests", "link": "/authorize/resume", "symbol": "binding_number", "done": "/approve/done",
		}}
		for j, into := range []**suite.StaticClient{&c.Client, &c.Client2} {
			id := fmt.Sprintf("ciba-%d-%d", i, j)
			more := fmt.Sprintf("  grant_types: [refresh_token, %s]\n  response_types: []\n  backchannel_token_delivery_mode: %s\n  backchannel_authentication_request_signing_alg: %s\n",
				cibaGrant, kind.mode, []string{"PS256", "ES256"}[j])
			notify := fmt.Sprintf("%s/ciba-notification-%d", c.Listen.URL, j)
			if kind.mode == "ping" {
				more += "  backchannel_client_notification_endpoint: " + notify + "\n"
			}
			text, client := fapiClient(t, n, fapiPair{kind.authentication, "mtls"}, id, "fapi-ciba", []string{"PS256", "ES256"}[j], c.Listen.URL+"/callback", more)
			client.Metadata["backchannel_client_notification_endpoint"] = notify
			file.WriteString(text)
			*into = client
		}
		configs[i] = c
	}
	name := filepath.Join(t.TempDir(), "ciba.yaml")
	if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", name)
	results := make([][]suite.Outcome, len(configs))
	var wait sync.WaitGroup
	for i, c := range configs {
		wait.Go(func() { results[i] = outcomesOf(t, c, 2, "fapi-ciba") })
	}
	wait.Wait()
	var all []suite.Outcome
	for _, outcomes := range results {
		all = append(all, outcomes...)
	}
	keepReport(t, n.base, all)
	documented(t, all)
	judge(t, all, map[string]string{})
}
