package vault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hopnhat/keys"
)

// Ensure creates the keys that are missing and says how old a version may become
// before Vault makes a successor; it needs the rotation role. Keys are never
// exportable, and cannot be deleted unless somebody allows that first.
func (s *Store) Ensure(ctx context.Context, rotateEvery time.Duration) error {
	for _, spec := range s.specs {
		doing := "creating key " + s.o.Prefix + spec.Name()
		body := map[string]any{"type": kindOf(spec), "exportable": false, "allow_plaintext_backup": false}
		if spec.Kind == keys.Deriving {
			body["key_size"] = 32
		}
		// Creating a key that is there changes nothing of it. An RSA key is found by
		// trying, which a busy server may need long for.
		if err := s.c.do(ctx, call{doing: doing, path: s.path("keys", spec), body: body, patience: 12}); err != nil {
			return err
		}
		if !rotates(spec) {
			continue
		}
		doing = "setting the rotation of key " + s.o.Prefix + spec.Name()
		if err := s.c.do(ctx, call{doing: doing, path: s.path("keys", spec, "config"), body: map[string]any{
			"auto_rotate_period": period(spec, rotateEvery),
		}}); err != nil {
			return err
		}
	}
	return nil
}

// period is how often Vault makes a version; never of a federation key, which others have to have
// before it signs: what a Vault was told before is taken back.
func period(spec keys.Spec, every time.Duration) string {
	if spec.Use == keys.EntityStatement {
		every = 0
	}
	return fmt.Sprintf("%ds", int(every.Seconds()))
}

// rotates reports whether versions of a key are made by schedule. Derived keys and
// pseudonyms would change, and checkpoint keys change with a quarter.
func rotates(spec keys.Spec) bool {
	return spec.Kind != keys.Deriving && spec.Use != keys.LogCheckpoint
}

// Create makes a new version; it needs the rotation role.
func (s *Store) Create(ctx context.Context, use keys.Use, alg keys.Algorithm) error {
	spec, ok := keys.FindAsymmetric(s.specs, use, alg)
	if alg == "" {
		spec, ok = keys.Find(s.specs, use, keys.Wrapping)
	}
	if !ok {
		return fmt.Errorf("a new version of %s %s: %w", use, alg, keys.ErrNoKey)
	}
	return s.c.do(
		ctx, call{doing: "creating a version of " + spec.Name(), path: s.path("keys", spec, "rotate"), body: struct{}{}, once: true},
	)
}

// Destroy makes Vault refuse to sign with a version and all before it; it needs
// the rotation role, and that there is a newer version.
func (s *Store) Destroy(ctx context.Context, key keys.Handle) error {
	spec, ok := keys.FindAsymmetric(s.specs, key.Use, key.Algorithm)
	if !ok {
		return fmt.Errorf("destroying a version of %s: %w", key.Name, keys.ErrNoKey)
	}
	return s.c.do(ctx, call{
		doing: fmt.Sprintf("taking version %d of %s out of use", key.Version, key.Name), path: s.path("keys", spec, "config"),
		body: map[string]any{"min_encryption_version": key.Version + 1},
	})
}

// Policies are the four policies to apply as they are. The serving role may use
// the named keys and nothing else; the rotation role may make and rotate them and
// take versions out of use, but not use them, save for the MACs of what it records of
// them, and not make them exportable; the
// move role, for one day, may bring keys in from a file keystore. The delivery role is
// of whoever starts a node: it may make a secret id of the serving role, wrapped, and
// so never sees one. Each may look at
// its own token and renew it, so that it needs no other policy: Vault's default one
// allows more, and is a template, which Vault reads anew for every single request.
type Policies struct{ Serving, Rotation, Move, Delivery string }

// These begin, in base64, the labels under which the keys of the rows of events are derived
// ("event rows 2026": the last letter is good for the years 2000 to 2999), and those of the
// tables beside them, such as the places in the log ("evidence tables").
const (
	eventRows      = "ZXZlbnQgcm93cyAy"
	evidenceTables = "ZXZpZGVuY2UgdGFibGVz"
)

// Policies writes them.
func (o Options) Policies() Policies {
	o.defaults()
	var serving, rotation, move, delivery strings.Builder
	grant := func(b *strings.Builder, path, capabilities string, only ...string) {
		fmt.Fprintf(b, "path %q {\n  capabilities = [%s]\n", path, capabilities)
		if len(only) > 0 {
			b.WriteString("  allowed_parameters = {\n")
			for _, parameter := range only {
				fmt.Fprintf(b, "    %s\n", parameter)
			}
			b.WriteString("  }\n")
		}
		b.WriteString("}\n")
	}
	for _, role := range []*strings.Builder{&serving, &rotation, &move, &delivery} {
		grant(role, "auth/token/lookup-self", `"read"`)
		grant(role, "auth/token/renew-self", `"update"`)
	}
	rule := func(b *strings.Builder, path, capabilities string, only ...string) {
		grant(b, o.Mount+"/"+path, capabilities, only...)
	}
	for _, spec := range keys.Specs(o.Algorithms) {
		name := o.Prefix + spec.Name()
		switch spec.Kind {
		case keys.Signing:
			rule(&serving, "keys/"+name, `"read"`)
			rule(&serving, "sign/"+name, `"update"`)
			rule(&serving, "sign/"+name+"/sha2-256", `"update"`)
		case keys.Decryption:
			rule(&serving, "keys/"+name, `"read"`)
			rule(&serving, "decrypt/"+name, `"update"`)
		case keys.Deriving:
			rule(&serving, "hmac/"+name+"/sha2-256", `"update"`)
		case keys.Wrapping:
			rule(&serving, "keys/"+name, `"read"`)
			rule(&serving, "datakey/plaintext/"+name, `"update"`)
			rule(&serving, "decrypt/"+name, `"update"`)
			rule(&serving, "rewrap/"+name, `"update"`)
		}
		rule(&rotation, "keys/"+name, `"create", "read", "update"`,
			`"type" = []`, `"key_size" = []`, `"exportable" = [false]`, `"allow_plaintext_backup" = [false]`)
		if spec.Kind == keys.Deriving && spec.Use == keys.Secrets {
			// It writes down what it did with the keys: the MACs of those rows, and no other
			// label.
			rule(&rotation, "hmac/"+name+"/sha2-256", `"update"`,
				`"input" = ["`+eventRows+`*", "`+evidenceTables+`*"]`, `"key_version" = []`)
		}
		if spec.Kind != keys.Deriving {
			rule(&rotation, "keys/"+name+"/rotate", `"update"`)
			rule(&rotation, "keys/"+name+"/config", `"update"`, `"min_encryption_version" = []`, `"auto_rotate_period" = []`)
		}
		rule(&move, "keys/"+name, `"read"`)
		rule(&move, "keys/"+name+"/import", `"update"`,
			`"ciphertext" = []`, `"type" = []`, `"hash_function" = ["SHA256"]`, `"allow_rotation" = [true]`, `"exportable" = [false]`)
		rule(&move, "keys/"+name+"/import_version", `"update"`, `"ciphertext" = []`, `"hash_function" = ["SHA256"]`)
	}
	rule(&move, "wrapping_key", `"read"`)
	fmt.Fprintf(&delivery, "path \"auth/%s/role/%sserving/secret-id\" {\n  capabilities = [\"update\"]\n  min_wrapping_ttl = \"1s\"\n  max_wrapping_ttl = \"5m\"\n}\n", o.AppRoleMount, o.Prefix)
	return Policies{serving.String(), rotation.String(), move.String(), delivery.String()}
}
