package passkey

import (
	"encoding/base64"
	"encoding/json"
)

// What a page hands to its script, as the JSON forms of WebAuthn Level 3 §5.1.8 and §5.1.9.
type (
	creation struct {
		Challenge   string       `json:"challenge"`
		RP          entity       `json:"rp"`
		User        user         `json:"user"`
		Params      []param      `json:"pubKeyCredParams"`
		Timeout     int64        `json:"timeout"`
		Exclude     []descriptor `json:"excludeCredentials"`
		Selection   selection    `json:"authenticatorSelection"`
		Attestation string       `json:"attestation"`
	}
	request struct {
		Challenge    string `json:"challenge"`
		RPID         string `json:"rpId"`
		Timeout      int64  `json:"timeout"`
		Verification string `json:"userVerification"`
	}
	entity struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	user struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	}
	param struct {
		Type      string `json:"type"`
		Algorithm int    `json:"alg"`
	}
	descriptor struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	selection struct {
		ResidentKey  string `json:"residentKey"`
		Resident     bool   `json:"requireResidentKey"`
		Verification string `json:"userVerification"`
	}
)

const (
	publicKey = "public-key"
	required  = "required"
)

var base64url = base64.RawURLEncoding

// asked are the options of a sign-in. They name no credential, so the browser offers those
// that the person has, and we tell nobody who has one (WebAuthn Level 3 §14.6.3).
func (p Party) asked(challenge string) string {
	return text(request{challenge, p.ID, Life.Milliseconds(), required})
}

// offered are the options of a new passkey. It has to be discoverable, so that a person signs
// in without a number, and the authenticator has to verify her. No attestation is asked for.
func (p Party) offered(challenge, named string, who user, has [][]byte) string {
	options := creation{
		Challenge: challenge, RP: entity{p.ID, named}, User: who, Timeout: Life.Milliseconds(), Exclude: []descriptor{},
		Selection: selection{required, true, required}, Attestation: "none",
	}
	for _, a := range algorithms {
		options.Params = append(options.Params, param{publicKey, a})
	}
	for _, id := range has {
		options.Exclude = append(options.Exclude, descriptor{publicKey, base64url.EncodeToString(id)})
	}
	return text(options)
}

func text(options any) string {
	raw, err := json.Marshal(options)
	if err != nil {
		panic("passkey: options: " + err.Error()) // of strings and numbers
	}
	return string(raw)
}
