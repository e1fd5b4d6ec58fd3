package vault

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
)

func ed25519Public(raw []byte) ed25519.PublicKey { return ed25519.PublicKey(raw) }

// Ensure creates the keys that are missing; it needs the rotation role. They are
// never exportable, and cannot be deleted unless somebody allows that first.
func Ensure(ctx context.Context, o Options) error {
	o.defaults()
	client, err := connect(ctx, &o)
	if err != nil {
		return err
	}
	for _, n := range o.names() {
		secret, err := client.Logical().ReadWithContext(ctx, o.Mount+"/keys/"+n.name)
		if err != nil {
			return unavailable("reading key "+n.name, err)
		}
		if secret != nil {
			continue
		}
		if _, err := client.Logical().WriteWithContext(ctx, o.Mount+"/keys/"+n.name, map[string]any{
			"type": n.kind, "exportable": false, "allow_plaintext_backup": false,
		}); err != nil {
			return unavailable("creating key "+n.name, err)
		}
	}
	return nil
}

// Policies are the two policies to apply as they are: the serving role may use
// the named keys and nothing else, the rotation role may make and rotate them.
func Policies(o Options) (serving, rotation string) {
	o.defaults()
	var s, r strings.Builder
	rule := func(b *strings.Builder, path, capabilities string) {
		fmt.Fprintf(b, "path %q {\n  capabilities = [%s]\n}\n", o.Mount+"/"+path, capabilities)
	}
	for _, n := range o.names() {
		rule(&r, "keys/"+n.name, `"create", "read", "update"`)
		rule(&r, "keys/"+n.name+"/rotate", `"update"`)
		if n.alg != "" {
			rule(&s, "keys/"+n.name, `"read"`)
			rule(&s, "sign/"+n.name, `"update"`)
			rule(&s, "sign/"+n.name+"/sha2-256", `"update"`)
			continue
		}
		rule(&s, "hmac/"+n.name+"/sha2-256", `"update"`)
	}
	rule(&s, "encrypt/"+o.Prefix+"secrets", `"update"`)
	rule(&s, "decrypt/"+o.Prefix+"secrets", `"update"`)
	return s.String(), r.String()
}
