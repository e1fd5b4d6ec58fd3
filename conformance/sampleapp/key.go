package sampleapp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

// KeyFile reads an app's signing key, or makes it: the private key, and the
// public set to register.
func KeyFile(path string) (private jose.JSONWebKey, public []byte, err error) {
	raw, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &private); err != nil {
			return private, nil, fmt.Errorf("the app's key in %s is damaged: remove it, or begin again with --reset", path)
		}
	case errors.Is(err, fs.ErrNotExist):
		if private, err = newKey(); err != nil {
			return private, nil, err
		}
		if raw, err = json.Marshal(private); err != nil {
			return private, nil, err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return private, nil, err
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			return private, nil, err
		}
	default:
		return private, nil, err
	}
	public, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	return private, public, err
}

func newKey() (jose.JSONWebKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	private := jose.JSONWebKey{Key: key, Algorithm: "ES256", Use: "sig"}
	sum, err := private.Thumbprint(crypto.SHA256)
	private.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return private, err
}
