package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hopnhat/cmd/config"
)

// wrong are invalid values of each key, and what else must be set for
// the fault to show. A key without a row fails the test: every key says what it
// refuses. {dir} is a folder with files named after what is in them.
var wrong = map[string][]struct {
	value, want string
	beside      map[string]string
}{
	"issuer":   {{"", "empty", nil}, {"http://example.com", "https://", nil}, {"https://id.example/", "trailing slash", nil}, {"https://u@id.example", "user", nil}},
	"listen":   {{"", "empty", nil}, {"8440", "host:port", nil}, {"127.0.0.1:0", "1 to 65535", nil}, {"127.0.0.1:65536", "1 to 65535", nil}, {"0.0.0.0:8440", "loopback", nil}},
	"state":    {{"", "empty", nil}, {"a\x00b", "control character", nil}},
	"database": {{"mysql://root:geheim@db/x", "mysql:// is no database", nil}, {"host=db password=geheim", "an address of words", nil}},
	"registry": {{"mongodb://u:geheim@db/x", "mongodb:// is no database", nil}, {"postgres://", "cannot be read", nil}},
	"site":     {{"", "empty", nil}, {"a b", "not a name", nil}, {"a/b", "not a name", nil}},
	"roles":    {{"", "empty", nil}, {"signer", "there is no role", nil}, {"log,log", "twice", nil}, {",", "one role at least", nil}, {"log", "set log_listen", nil}},
	"log_origin": {
		{"a b", "not a name", nil}, {"a+b", "not a name", nil}, {"a//b", "not a name", nil}, {"a/", "not a name", nil},
	},
	"log_folder": {{"a\nb", "control character", nil}},
	"log_listen": {{"x", "host:port", nil}, {"0.0.0.0:8460", "log_address", nil}},
	"log_address": {
		{"x", "host:port", nil},
		{"10.0.0.1:8460", "log_listen is missing", nil},
		{":8460", "where they reach it", map[string]string{"log_listen": "10.0.0.1:8460"}},
	},
	"keystore":             {{"", "empty", nil}, {"usb", "file, vault", nil}},
	"keys":                 {{"a\nb", "control character", nil}},
	"passphrase_file":      {{"{dir}/none", "passphrase_file", nil}, {"{dir}/empty", "is empty", nil}, {"{dir}/text", "keystore is vault", vaultFlags}},
	"vault_address":        {{"", "vault_address is missing", vaultFlags}, {"vault:8200", "https://host:port", nil}, {"http://vault:8200", "in the clear", nil}, {"https://u:geheim@vault", "without a name", nil}, {" , ", "no server", nil}},
	"vault_token_file":     {{"{dir}/none", "vault_token_file", vaultToken}},
	"vault_role_id":        {{"", "either vault_token_file", vaultFlags}, {"r", "go together", map[string]string{"keystore": "vault", "vault_address": "https://vault"}}},
	"vault_secret_id_file": {{"{dir}/none", "vault_secret_id_file", vaultFlags}, {"", "go together", vaultFlags}, {"{dir}/text", "go together", vaultToken}},
	"vault_secret_id_wrapped": {
		{"perhaps", "true or false", nil}, {"true", "vault_secret_id_file", vaultToken},
	},
	"vault_namespace": {{"a\tb", "control character", nil}},
	"vault_ca":        {{"{dir}/none", "vault_ca", vaultFlags}},
	"signing_algs": {
		{"", "empty", nil}, {"RS256", "ES256 must be one", nil}, {"ES256,HS256", "none of", nil}, {"ES256,ES256", "twice", nil},
	},
	"tls_certificate":   {{"{dir}/none", "tls_key go together", nil}, {"{dir}/none", "none", tlsFlags}, {"{dir}/text", "text", tlsFlags}},
	"tls_key":           {{"{dir}/none", "tls_key go together", nil}},
	"mtls_listen":       {{"x", "host:port", nil}, {"127.0.0.1:1", "go together", nil}},
	"mtls_issuer_alias": {{"https://m.example/x", "https://host", nil}, {"http://m.example", "https://host", nil}, {"https://m.example", "go together", nil}, {"https://id.example", "the issuer itself", map[string]string{"issuer": "https://id.example", "mtls_listen": "127.0.0.1:9", "trusted_proxies": "127.0.0.1"}}},
	"mtls_client_ca": {
		{"{dir}/text", "needs mtls_listen", nil}, {"{dir}/none", "mtls_client_ca", mtlsFlags}, {"{dir}/text", "has no certificate", mtlsFlags},
	},
	"trusted_proxies":                {{"10.0.0/8", "neither an address", nil}, {"proxy.example", "neither an address", nil}},
	"metrics_networks":               {{"10.0.0/8", "neither an address", nil}},
	"registration":                   {{"", "empty", nil}, {"yes", "off, iat, open", nil}, {"open", "loopback", map[string]string{"issuer": "https://id.example"}}},
	"registration_burst":             {{"0", "at least 1", nil}, {"-5", "at least 1", nil}, {"many", "whole number", nil}},
	"federation_burst":               {{"0", "at least 1", nil}, {"many", "whole number", nil}},
	"registration_statement_issuers": {{"{dir}/none", "registration_statement_issuers", nil}, {"{dir}/text", "registration_statement_issuers", nil}, {"{dir}/text", "registration is off", map[string]string{"registration": "off"}}},
	"federation_entity":              {{"{dir}/none", "federation_entity", nil}, {"{dir}/text", "federation_entity", nil}},
	"federation_apps":                {{"{dir}/none", "federation_apps", nil}, {"{dir}/text", "federation_apps", nil}},
	"regional_provider":              {{"{dir}/none", "regional_provider", nil}, {"{dir}/text", "regional_provider", nil}},
	"regional_choices":               {{"{dir}/none", "regional_choices", nil}, {"{dir}/text", "regional_choices", nil}},
	"upstreams":                      {{"{dir}/none", "upstreams", nil}, {"{dir}/text", "upstreams", nil}},
	"op_policy_uri":                  {{"page", "https address", nil}, {"javascript:alert(1)", "https address", nil}, {"http://example.com/", "https address", nil}},
	"op_tos_uri":                     {{"ftp://x/y", "https address", nil}},
	"log_anchor":                     {{"{dir}/none", "log_anchor", nil}, {"{dir}/text", "log_anchor", nil}},
	"log_witnesses":                  {{"{dir}/none", "log_witnesses", nil}, {"{dir}/text", "log_witnesses", nil}},
	"log_witnesses_wanted":           {{"0", "at least 1", nil}, {"17", "at most 16", nil}},
	"reconcile_share":                {{"0", "at least 1", nil}, {"101", "at most 100", nil}, {"all", "whole number", nil}},
	"log_level":                      {{"", "empty", nil}, {"loud", "debug, info, warn, error", nil}},
	"access_log":                     {{"on", "true or false", nil}},
	"session_idle":                   {{"-5m", "at least", nil}, {"0", "at least", nil}, {"soon", "it is a time", nil}, {"13h", "more than session_absolute", nil}},
	"session_absolute":               {{"-1h", "at least", nil}, {"10m", "more than session_absolute", nil}, {"9000h", "at most", nil}},
	"access_token_life":              {{"0", "at least", nil}, {"6m", "at most 5m", nil}, {"-1m", "at least", nil}},
	"jwks_cache":                     {{"0", "at least", nil}, {"-1s", "at least", nil}},
	"key_overlap":                    {{"1m", "less than access_token_life", nil}, {"-1m", "at least", nil}},
	"key_rotate_every":               {{"61m", "jwks_cache and key_overlap", nil}, {"-1h", "at least", nil}},
	"grant_life":                     {{"-1h", "at least", nil}, {"2m", "less than access_token_life", nil}},
	"address_burst":                  {{"0", "at least 1", nil}, {"-1", "at least 1", nil}},
	"argon2_kib":                     {{"-1", "at least 64", nil}, {"0", "at least 64", nil}, {"1", "at least 64", nil}, {"4294967296", "at most", nil}, {"64", "loopback", map[string]string{"issuer": "https://id.example"}}},
	"database_conns":                 {{"-1", "at least 0", nil}, {"1000000", "at most", nil}},
}

var (
	vaultFlags = map[string]string{"keystore": "vault", "vault_address": "https://vault", "vault_role_id": "r", "vault_secret_id_file": "{dir}/text"}
	vaultToken = map[string]string{"keystore": "vault", "vault_address": "https://vault", "vault_token_file": "{dir}/text"}
	tlsFlags   = map[string]string{"issuer": "https://id.example", "tls_key": "{dir}/text"}
	mtlsFlags  = map[string]string{"issuer": "https://id.example", "mtls_listen": "127.0.0.1:9", "mtls_issuer_alias": "https://m.example", "trusted_proxies": "127.0.0.1"}
)

// TestEveryKeyRefusesWhatCannotBeMeant: from a file, a variable and a flag alike,
// by `hopnhat config` and by the server, naming the key, and without a password.
func TestEveryKeyRefusesWhatCannotBeMeant(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "\n", "text": "some text\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := func(s string) string { return strings.ReplaceAll(s, "{dir}", dir) }
	for _, key := range config.Names() {
		rows := wrong[key]
		if len(rows) == 0 {
			t.Errorf("%s: no value of it is refused", key)
		}
		for _, row := range rows {
			vars := map[string]string{"HOPNHAT_STATE": filepath.Join(dir, "state")}
			values := map[string]string{}
			for name, value := range row.beside {
				vars[variable(name)], values[name] = here(value), here(value)
			}
			delete(vars, variable(key))
			values[key] = here(row.value)
			text, err := yaml.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "hopnhat.yaml")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			flag := "--" + strings.ReplaceAll(key, "_", "-") + "=" + here(row.value)
			for way, run1 := range map[string]struct {
				vars  map[string]string
				words []string
			}{
				"a variable, config": {with(vars, variable(key), here(row.value)), []string{"config"}},
				"a flag, config":     {vars, []string{"config", flag}},
				"a flag, serve":      {vars, []string{"serve", flag}},
				"a file":             {map[string]string{"HOPNHAT_CONFIG": file, "HOPNHAT_STATE": filepath.Join(dir, "state")}, []string{"config"}},
			} {
				if way == "a file" && key == "state" {
					delete(run1.vars, "HOPNHAT_STATE")
				}
				e, out := surroundings(run1.vars)
				if code := run(t.Context(), e, run1.words); code != 1 || !strings.Contains(out.String(), row.want) ||
					strings.Contains(out.String(), "geheim") {
					last := strings.Split(strings.TrimSpace(out.String()), "\n")
					t.Errorf("%s %q by %s: code %d, want %q:\n%s", key, row.value, way, code, row.want, last[len(last)-1])
				}
			}
		}
	}
	for key := range wrong {
		if !slices.Contains(config.Names(), key) {
			t.Errorf("%s is no key", key)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("something was made")
	}
}

// variable is the key in the environment.
func variable(key string) string { return config.Key{Name: key}.Variable() }

func with(vars map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for name, value := range vars {
		out[name] = value
	}
	return out
}

// TestWordsThatNobodyTakes: a misspelt variable, a word too many, a flag behind a
// word. Each would be passed over in silence.
func TestWordsThatNobodyTakes(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	for _, row := range []struct {
		name  string
		vars  map[string]string
		words []string
		want  string
	}{
		{"a misspelt variable", map[string]string{"HOPNHAT_DATABSE": "x"}, []string{"config"}, "HOPNHAT_DATABASE"},
		{"a variable of the tests", map[string]string{"HOPNHAT_TEST_POSTGRES": "x"}, []string{"config"}, ""},
		{"a word after serve", nil, []string{"serve", "now"}, `"now" is not taken`},
		{"a word after config", nil, []string{"config", "now"}, `"now" is not taken`},
		{"a word after migrate", nil, []string{"migrate", "up"}, `"up" is not taken`},
		{"a word after keys status", nil, []string{"keys", "status", "all"}, `"all" is not taken`},
		{"a word after registry status", nil, []string{"registry", "status", "all"}, `"all" is not taken`},
		{"a flag behind a word is read", nil, []string{"client", "show", "app", "--state", state + "2"}, "no database at " + state + "2"},
		{"no account to open", nil, []string{"account", "enrol", "--count", "-3"}, "--count is -3"},
		{"a second thing", nil, []string{"demo", "x"}, `"x" is not taken`},
	} {
		e, out := surroundings(with(row.vars, "HOPNHAT_STATE", state))
		want := 1
		if row.want == "" {
			want = 0
		}
		if code := run(t.Context(), e, row.words); code != want || !strings.Contains(out.String(), row.want) {
			t.Errorf("%s: code %d, want %q in:\n%s", row.name, code, row.want, out)
		}
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("something was made")
	}
}

// TestAPersonsWayIntoVault: with the configuration of a node, whatever its own way in,
// a flag names a token of hers.
func TestAPersonsWayIntoVault(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	node := map[string]string{"HOPNHAT_KEYSTORE": "vault", "HOPNHAT_VAULT_ADDRESS": "https://vault"}
	both := with(with(with(node, "HOPNHAT_VAULT_ROLE_ID", "r"), "HOPNHAT_VAULT_SECRET_ID_FILE", token), "HOPNHAT_VAULT_TOKEN_FILE", token)
	if e, out := surroundings(both); run(t.Context(), e, []string{"config"}) != 1 || !strings.Contains(out.String(), "either vault_token_file") {
		t.Errorf("two ways in at once: %s", out)
	}
	for _, vars := range []map[string]string{
		with(with(with(node, "HOPNHAT_VAULT_ROLE_ID", "r"), "HOPNHAT_VAULT_SECRET_ID_FILE", filepath.Join(dir, "absent.token")), "HOPNHAT_VAULT_SECRET_ID_WRAPPED", "true"),
		with(node, "HOPNHAT_VAULT_TOKEN_FILE", filepath.Join(dir, "absent.token")),
	} {
		e, out := surroundings(vars)
		if code := run(t.Context(), e, []string{"config", "--vault-token-file", token}); code != 0 || !strings.Contains(out.String(), "vault_token_file: "+token) || strings.Contains(out.String(), "absent.token") {
			t.Errorf("code %d\n%s", code, out)
		}
	}
}

// TestConfigIsReadAsItIsPrinted: what `hopnhat config` prints is a file that means
// the same, and it shows no password.
func TestConfigIsReadAsItIsPrinted(t *testing.T) {
	vars := map[string]string{
		"HOPNHAT_DATABASE": "postgres://hopnhat:geheim@db/hopnhat", "HOPNHAT_REGISTRY": "postgres://db/nation?user=r&password=geheim",
		"HOPNHAT_SITE": "dc2", "HOPNHAT_SESSION_IDLE": "5m", "HOPNHAT_STATE": "a: b #c",
	}
	e, out := surroundings(vars)
	if code := run(t.Context(), e, []string{"config"}); code != 0 || strings.Contains(out.String(), "geheim") || !strings.Contains(out.String(), "HOPNHAT_CONFIG") ||
		!strings.Contains(out.String(), "\nsite: dc2 # variable HOPNHAT_SITE\n") ||
		!strings.Contains(out.String(), "\nlisten: 127.0.0.1:8440 # default\n") {
		t.Fatalf("code %d\n%s", code, out)
	}
	file := filepath.Join(t.TempDir(), "hopnhat.yaml")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	again, second := surroundings(map[string]string{"HOPNHAT_CONFIG": file})
	// The origins, behind the values, are others: all are of the file now.
	origins := regexp.MustCompile(`(?m) # (default|derived|variable \S+|file .*)$`)
	if code := run(t.Context(), again, []string{"config"}); code != 0 || origins.ReplaceAllString(second.String(), "") != origins.ReplaceAllString(out.String(), "") {
		t.Fatalf("code %d\n%s\nafter\n%s", code, second, out)
	}
}
