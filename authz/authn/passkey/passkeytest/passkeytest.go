// Package passkeytest is an authenticator for tests: it makes passkeys and signs with them as
// WebAuthn has it, and lies where it is told to.
package passkeytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// The flags of authenticator data, WebAuthn Level 3 §6.1.
const (
	Present  = 1 << 0
	Verified = 1 << 2
	Eligible = 1 << 3
	BackedUp = 1 << 4
	attested = 1 << 6
)

// Authenticator is one with one passkey, whose answers are honest until a field says otherwise.
type Authenticator struct {
	// Origin is the page that asks, and Host, if not empty, what is signed for in the place of the
	// host that the options name.
	Origin, Host string
	Flags        byte
	// Counter is what the next answer says; it grows by Step with each.
	Counter, Step uint32
	// Format is that of the attestation statement, none if empty.
	Format string
	// ID is the credential id, and Handle the user handle that it was made for.
	ID, Handle []byte
	// Type is the type of client data, in the place of the right one.
	Type string
	// CrossOrigin is what the browser says of the frame.
	CrossOrigin bool

	key *ecdsa.PrivateKey
}

// New is an authenticator at a page of an origin, which verifies its person and counts.
func New(t testing.TB, origin string) *Authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authenticator{Origin: origin, Flags: Present | Verified, Counter: 1, Step: 1, ID: make([]byte, 32), key: key}
	_, _ = rand.Read(a.ID)
	return a
}

type options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
}

// Create answers the options of a new passkey.
func (a *Authenticator) Create(t testing.TB, of string) string {
	t.Helper()
	o := read(t, of)
	a.Handle, _ = base64.RawURLEncoding.DecodeString(o.User.ID)
	client := a.client(t, "webauthn.create", o.Challenge)
	point, err := a.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	key := encode(t, map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	data := a.data(o.RP.ID, attested)
	data = append(data, make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	data = append(append(data, a.ID...), key...)
	format, statement := a.Format, map[string]any{}
	switch format {
	case "":
		format = "none"
	case "packed": // self attestation, WebAuthn Level 3 §8.2
		statement = map[string]any{"alg": -7, "sig": a.sign(t, data, client)}
	}
	object := encode(t, map[string]any{"fmt": format, "attStmt": statement, "authData": data})
	return a.answer(t, map[string]any{"clientDataJSON": text(client), "attestationObject": text(object), "transports": []string{"internal"}})
}

// Get answers the options of a sign-in.
func (a *Authenticator) Get(t testing.TB, of string) string {
	t.Helper()
	o := read(t, of)
	client := a.client(t, "webauthn.get", o.Challenge)
	data := a.data(o.RPID, 0)
	return a.answer(t, map[string]any{
		"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(a.sign(t, data, client)), "userHandle": text(a.Handle),
	})
}

func (a *Authenticator) client(t testing.TB, typ, challenge string) []byte {
	t.Helper()
	if a.Type != "" {
		typ = a.Type
	}
	raw, err := json.Marshal(map[string]any{"type": typ, "challenge": challenge, "origin": a.Origin, "crossOrigin": a.CrossOrigin})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (a *Authenticator) data(host string, also byte) []byte {
	if a.Host != "" {
		host = a.Host
	}
	id := sha256.Sum256([]byte(host))
	data := binary.BigEndian.AppendUint32(append(id[:], a.Flags|also), a.Counter)
	a.Counter += a.Step
	return data
}

func (a *Authenticator) sign(t testing.TB, data, client []byte) []byte {
	t.Helper()
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func (a *Authenticator) answer(t testing.TB, response map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"id": text(a.ID), "rawId": text(a.ID), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func read(t testing.TB, of string) (o options) {
	t.Helper()
	if err := json.Unmarshal([]byte(of), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := webauthncbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func text(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
