// Package vault keeps keys in HashiCorp Vault Transit (or OpenBao, which speaks
// the same API): they are not exportable and never in this process. Public keys
// are cached, and a signature always names the version whose key id stands in
// its header. When Vault cannot sign, nothing is signed by another key.
//
// Vault's client lives in this package and nowhere else.
package vault

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Options says where Vault is and how to get in.
type Options struct {
	Address   string
	Namespace string
	// CACert is a PEM file that the server's certificate must chain to.
	CACert string
	// Token, or RoleID and SecretID of an AppRole.
	Token            string
	RoleID, SecretID string
	// Mount of the transit engine, "transit" if empty; Prefix of the key names,
	// "hopnhat-" if empty.
	Mount, Prefix string
	// Algorithms of the token keys; ES256 alone if empty.
	Algorithms []keys.Algorithm
	// Timeout of one call, 5 s if zero; Refresh of the public keys, 30 s.
	Timeout, Refresh time.Duration
}

func (o *Options) defaults() {
	for _, d := range []struct {
		field *string
		value string
	}{{&o.Mount, "transit"}, {&o.Prefix, "hopnhat-"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if len(o.Algorithms) == 0 {
		o.Algorithms = []keys.Algorithm{keys.ES256}
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Refresh == 0 {
		o.Refresh = 30 * time.Second
	}
}

// Ring is a keys.Ring over Transit.
type Ring struct {
	o      Options
	client *api.Client
	state  atomic.Pointer[state]
	cancel context.CancelFunc
	done   chan struct{}

	signatures, calls, failures atomic.Uint64
}

// state is an immutable picture of the public keys, the active ones first.
type state struct{ public []keys.PublicKey }

// named is one Transit key.
type named struct {
	name string
	kind string // Transit's type
	use  keys.Use
	alg  keys.Algorithm
}

// The names of the keys, below the prefix.
func (o *Options) names() []named {
	list := []named{
		{o.Prefix + "checkpoint-eddsa", "ed25519", keys.LogCheckpoint, keys.EdDSA},
		{o.Prefix + "pairwise", "aes256-gcm96", keys.PairwiseSubject, ""},
		{o.Prefix + "secrets", "aes256-gcm96", keys.Secrets, ""},
	}
	kinds := map[keys.Algorithm]string{keys.ES256: "ecdsa-p256", keys.EdDSA: "ed25519", keys.PS256: "rsa-2048", keys.RS256: "rsa-2048"}
	for _, alg := range o.Algorithms {
		list = append(list, named{o.Prefix + "token-" + strings.ToLower(string(alg)), kinds[alg], keys.TokenSigning, alg})
	}
	return list
}

// Open logs in and reads the public keys. Close stops it.
func Open(ctx context.Context, o Options) (*Ring, error) {
	o.defaults()
	client, err := connect(ctx, &o)
	if err != nil {
		return nil, err
	}
	r := &Ring{o: o, client: client, done: make(chan struct{})}
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.keepFresh(background)
	return r, nil
}

func connect(ctx context.Context, o *Options) (*api.Client, error) {
	config := api.DefaultConfig()
	config.Address, config.Timeout, config.MaxRetries = o.Address, o.Timeout, 0
	if o.CACert != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: o.CACert}); err != nil {
			return nil, fmt.Errorf("reading Vault's CA: %w", err)
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("preparing the Vault client: %w", err)
	}
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	client.SetToken(o.Token)
	if o.Token == "" {
		return client, login(ctx, client, o)
	}
	return client, nil
}

// login is AppRole.
func login(ctx context.Context, client *api.Client, o *Options) error {
	secret, err := client.Logical().WriteWithContext(ctx, "auth/approle/login", map[string]any{"role_id": o.RoleID, "secret_id": o.SecretID})
	if err != nil {
		return unavailable("signing in to Vault", err)
	}
	if secret == nil || secret.Auth == nil {
		return unavailable("signing in to Vault", errEmpty)
	}
	client.SetToken(secret.Auth.ClientToken)
	return nil
}

// unavailable wraps what Vault said; its answers hold no secret of ours.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, keys.ErrUnavailable, err)
}

// keepFresh reads the public keys again and renews the token; an AppRole signs in
// again when its token is gone. Failures are told and tried again, so recovery
// needs no restart.
func (r *Ring) keepFresh(ctx context.Context) {
	defer close(r.done)
	ticker := time.NewTicker(r.o.Refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		call, cancel := context.WithTimeout(ctx, r.o.Timeout)
		if _, err := r.client.Auth().Token().RenewSelfWithContext(call, 0); err != nil && r.o.Token == "" {
			if err := login(call, r.client, &r.o); err != nil {
				slog.Error("Vault does not let us in", "error", err)
			}
		}
		if err := r.refresh(call); err != nil {
			slog.Error("the keys could not be read again", "error", err)
		}
		cancel()
	}
}

// write is a call to Transit whose answer must say something: Vault, or a proxy
// before it, may answer 200 with nothing.
func (r *Ring) write(ctx context.Context, path string, body map[string]any) (*api.Secret, error) {
	secret, err := r.client.Logical().WriteWithContext(ctx, r.o.Mount+"/"+path, body)
	if err == nil && secret == nil {
		err = errEmpty
	}
	return secret, err
}

var errEmpty = errors.New("an empty answer")

// refresh reads all versions of all signing keys.
func (r *Ring) refresh(ctx context.Context) error {
	s := &state{}
	for _, n := range r.o.names() {
		if n.alg == "" {
			continue
		}
		versions, err := r.versions(ctx, n)
		if err != nil {
			return err
		}
		s.public = append(s.public, versions...)
	}
	r.state.Store(s)
	return nil
}

func (r *Ring) versions(ctx context.Context, n named) ([]keys.PublicKey, error) {
	secret, err := r.client.Logical().ReadWithContext(ctx, r.o.Mount+"/keys/"+n.name)
	if err != nil {
		return nil, unavailable("reading key "+n.name, err)
	}
	if secret == nil {
		return nil, fmt.Errorf("key %s is not in Vault: create it with the rotation role: %w", n.name, keys.ErrUnavailable)
	}
	all, ok := secret.Data["keys"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("key %s: an answer that cannot be read: %w", n.name, keys.ErrUnavailable)
	}
	var out []keys.PublicKey
	for text, value := range all {
		version, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("key %s: version %q: %w", n.name, text, keys.ErrUnavailable)
		}
		members, _ := value.(map[string]any)
		encoded, _ := members["public_key"].(string)
		public, err := parsePublic(n, encoded)
		if err != nil {
			return nil, fmt.Errorf("key %s version %d: %w: %w", n.name, version, keys.ErrUnavailable, err)
		}
		id, err := jose.Thumbprint(public)
		if err != nil {
			return nil, err
		}
		out = append(out, keys.PublicKey{
			Handle: keys.Handle{Use: n.use, Algorithm: n.alg, KeyID: id, Name: n.name, Version: version}, Key: public, State: keys.Retiring,
		})
	}
	slices.SortFunc(out, func(a, b keys.PublicKey) int { return b.Version - a.Version })
	if len(out) == 0 {
		return nil, fmt.Errorf("key %s has no version: %w", n.name, keys.ErrUnavailable)
	}
	out[0].State = keys.Active
	return out, nil
}

// parsePublic reads PEM, or for Ed25519 the bare key.
func parsePublic(n named, encoded string) (crypto.PublicKey, error) {
	if n.kind == "ed25519" {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(raw) != 32 {
			return nil, errors.New("not an Ed25519 public key")
		}
		return ed25519Public(raw), nil
	}
	block, _ := pem.Decode([]byte(encoded))
	if block == nil {
		return nil, errors.New("no PEM public key")
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// Active names the version that signs now, from memory.
func (r *Ring) Active(use keys.Use, alg keys.Algorithm) (keys.Handle, error) {
	for _, k := range r.state.Load().public {
		if k.Use == use && k.Algorithm == alg && k.State == keys.Active {
			return k.Handle, nil
		}
	}
	return keys.Handle{}, fmt.Errorf("%w: %s %s", keys.ErrNoKey, use, alg)
}

// Published lists the versions whose signatures are good, from memory.
func (r *Ring) Published(use keys.Use) []keys.PublicKey {
	var out []keys.PublicKey
	for _, k := range r.state.Load().public {
		if k.Use == use {
			out = append(out, k)
		}
	}
	return out
}

// Sign makes one call for each version named: for an exchange of one algorithm,
// one.
func (r *Ring) Sign(ctx context.Context, jobs ...keys.Job) ([][]byte, error) {
	byKey := map[keys.Handle][]int{}
	for i, job := range jobs {
		byKey[job.Key] = append(byKey[job.Key], i)
	}
	out := make([][]byte, len(jobs))
	for _, key := range slices.SortedFunc(maps.Keys(byKey), func(a, b keys.Handle) int { return strings.Compare(a.Name, b.Name) }) {
		if err := r.signWith(ctx, key, jobs, byKey[key], out); err != nil {
			r.failures.Add(1)
			return nil, err
		}
	}
	r.signatures.Add(uint64(len(jobs)))
	return out, nil
}

func (r *Ring) signWith(ctx context.Context, key keys.Handle, jobs []keys.Job, places []int, out [][]byte) error {
	inputs := make([]any, len(places))
	for i, place := range places {
		inputs[i] = map[string]any{"input": base64.StdEncoding.EncodeToString(jobs[place].Input)}
	}
	path, body := "sign/"+key.Name, map[string]any{"batch_input": inputs, "key_version": key.Version}
	switch key.Algorithm {
	case keys.ES256:
		path, body["marshaling_algorithm"] = path+"/sha2-256", "jws"
	case keys.PS256:
		path, body["signature_algorithm"], body["salt_length"] = path+"/sha2-256", "pss", "hash"
	case keys.RS256:
		path, body["signature_algorithm"] = path+"/sha2-256", "pkcs1v15"
	}
	r.calls.Add(1)
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	secret, err := r.write(ctx, path, body)
	if err != nil {
		return unavailable("signing with "+key.Name, err)
	}
	results, _ := secret.Data["batch_results"].([]any)
	if len(results) != len(places) {
		return fmt.Errorf("signing with %s: %d results for %d inputs: %w", key.Name, len(results), len(places), keys.ErrUnavailable)
	}
	for i, result := range results {
		members, _ := result.(map[string]any)
		text, _ := members["signature"].(string)
		signature, err := parseSignature(text, key)
		if err != nil {
			return fmt.Errorf("signing with %s: %w: %w", key.Name, keys.ErrUnavailable, err)
		}
		out[places[i]] = signature
	}
	return nil
}

// parseSignature reads vault:vN:… and holds N against the version that stands in
// the header by its key id.
func parseSignature(text string, key keys.Handle) ([]byte, error) {
	rest, ok := strings.CutPrefix(text, "vault:v"+strconv.Itoa(key.Version)+":")
	if !ok {
		return nil, errors.New("the signature is not by the version asked for")
	}
	encoding := base64.StdEncoding
	if key.Algorithm == keys.ES256 {
		encoding = base64.RawURLEncoding // marshaling_algorithm=jws
	}
	signature, err := encoding.DecodeString(rest)
	if err != nil || len(signature) == 0 {
		return nil, errors.New("the signature cannot be read")
	}
	return signature, nil
}

// Rotate makes a new version; it needs the rotation role.
func (r *Ring) Rotate(ctx context.Context, use keys.Use, alg keys.Algorithm) error {
	for _, n := range r.o.names() {
		if n.use == use && n.alg == alg && alg != "" {
			if _, err := r.client.Logical().WriteWithContext(ctx, r.o.Mount+"/keys/"+n.name+"/rotate", nil); err != nil {
				return unavailable("rotating "+n.name, err)
			}
			return r.refresh(ctx)
		}
	}
	return fmt.Errorf("rotating %s %s: %w", use, alg, keys.ErrNoKey)
}

// Derive is Transit's HMAC-SHA-256 under version 1 of the use's key, which never
// changes.
func (r *Ring) Derive(ctx context.Context, use keys.Use, label string) ([]byte, error) {
	name, ok := r.secretKey(use)
	if !ok {
		return nil, fmt.Errorf("deriving for %s: %w", use, keys.ErrNoKey)
	}
	secret, err := r.write(ctx, "hmac/"+name+"/sha2-256", map[string]any{
		"input": base64.StdEncoding.EncodeToString([]byte(label)), "key_version": 1,
	})
	if err != nil {
		return nil, unavailable("deriving with "+name, err)
	}
	text, _ := secret.Data["hmac"].(string)
	encoded, ok := strings.CutPrefix(text, "vault:v1:")
	out, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(out) != 32 {
		return nil, fmt.Errorf("deriving with %s: an answer that cannot be read: %w", name, keys.ErrUnavailable)
	}
	return out, nil
}

func (r *Ring) secretKey(use keys.Use) (string, bool) {
	for _, n := range r.o.names() {
		if n.use == use && n.alg == "" {
			return n.name, true
		}
	}
	return "", false
}

// Seal encrypts under the newest version of the secrets key; the version stands
// in the ciphertext.
func (r *Ring) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	name, _ := r.secretKey(keys.Secrets)
	secret, err := r.write(ctx, "encrypt/"+name, map[string]any{
		"plaintext": base64.StdEncoding.EncodeToString(plaintext), "associated_data": base64.StdEncoding.EncodeToString(aad),
	})
	if err != nil {
		return nil, unavailable("sealing a secret", err)
	}
	text, _ := secret.Data["ciphertext"].(string)
	if text == "" {
		return nil, fmt.Errorf("sealing a secret: an empty answer: %w", keys.ErrUnavailable)
	}
	return []byte(text), nil
}

// Open reverses Seal.
func (r *Ring) Open(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	name, _ := r.secretKey(keys.Secrets)
	secret, err := r.write(ctx, "decrypt/"+name, map[string]any{
		"ciphertext": string(sealed), "associated_data": base64.StdEncoding.EncodeToString(aad),
	})
	var refused *api.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == 400 {
		return nil, errors.New("the sealed value is not ours or was altered")
	}
	if err != nil {
		return nil, unavailable("opening a secret", err)
	}
	text, _ := secret.Data["plaintext"].(string)
	return base64.StdEncoding.DecodeString(text)
}

// Health asks Vault, and names the cause: sealed, standby, not reachable.
func (r *Ring) Health(ctx context.Context) error {
	h, err := r.client.Sys().HealthWithContext(ctx)
	switch {
	case err != nil:
		return unavailable("asking Vault's health", err)
	case !h.Initialized:
		return fmt.Errorf("vault is not initialised: %w", keys.ErrUnavailable)
	case h.Sealed:
		return fmt.Errorf("vault is sealed: %w", keys.ErrUnavailable)
	}
	return nil
}

// Stats counts since Open.
func (r *Ring) Stats() keys.Stats {
	return keys.Stats{Signatures: r.signatures.Load(), Calls: r.calls.Load(), Failures: r.failures.Load()}
}

// Close stops the renewal.
func (r *Ring) Close() error {
	r.cancel()
	<-r.done
	return nil
}

var _ keys.Ring = (*Ring)(nil)
