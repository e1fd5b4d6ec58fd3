package provider_test

import (
	"encoding/json"
	"strings"
	"testing"

	"hopnhat/authz/authztest"
)

// TestMetadataOfNative: discovery follows from the table.
func TestMetadataOfNative(t *testing.T) {
	var m struct {
		Token      []string `json:"token_endpoint_auth_methods_supported"`
		Introspect []string `json:"introspection_endpoint_auth_methods_supported"`
	}
	if err := json.Unmarshal(authztest.New(t).Metadata(), &m); err != nil {
		t.Fatal(err)
	}
	has := func(list []string) bool { return strings.Contains(" "+strings.Join(list, " ")+" ", " none ") }
	if !has(m.Token) || has(m.Introspect) {
		t.Errorf("RFC 8414 §2: token %v, introspection %v", m.Token, m.Introspect)
	}
}
