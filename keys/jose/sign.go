package jose

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"hopnhat/keys"
)

// Token is a JWT to be signed.
type Token struct {
	Use       keys.Use
	Algorithm keys.Algorithm
	Type      string // the `typ` header, exact
	// Chain is the header trust_chain (OpenID Federation 1.0 §4.3); left out if it is empty.
	Chain  []string
	Claims any
}

// header is the JOSE header of what we sign.
type header struct {
	Algorithm keys.Algorithm `json:"alg"`
	Type      string         `json:"typ"`
	KeyID     keys.KeyID     `json:"kid"`
	Chain     []string       `json:"trust_chain,omitempty"`
}

// Sign makes compact JWS, all with one call of the ring.
func Sign(ctx context.Context, ring keys.Ring, tokens ...Token) ([]string, error) {
	jobs := make([]keys.Job, len(tokens))
	for i, t := range tokens {
		key, err := ring.Active(t.Use, t.Algorithm)
		if err != nil {
			return nil, fmt.Errorf("signing a %s with %s: %w", t.Type, t.Algorithm, err)
		}
		head, err := json.Marshal(header{t.Algorithm, t.Type, key.KeyID, t.Chain})
		if err != nil {
			return nil, err
		}
		claims, err := encode(t.Claims)
		if err != nil {
			return nil, fmt.Errorf("encoding the claims of a %s: %w", t.Type, err)
		}
		enc := base64.RawURLEncoding
		input := make([]byte, enc.EncodedLen(len(head))+1+enc.EncodedLen(len(claims)))
		enc.Encode(input, head)
		dot := enc.EncodedLen(len(head))
		input[dot] = '.'
		enc.Encode(input[dot+1:], claims)
		jobs[i] = keys.Job{Key: key, Input: input}
	}
	signatures, err := ring.Sign(ctx, jobs...)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(tokens))
	for i := range jobs {
		out[i] = string(jobs[i].Input) + "." + base64.RawURLEncoding.EncodeToString(signatures[i])
	}
	return out, nil
}

// encode is JSON without HTML escapes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
