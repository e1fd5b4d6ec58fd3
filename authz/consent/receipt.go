package consent

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"hopnhat/authz"
)

// Receipt is what a person takes away of one version of a consent: the record of
// ISO/IEC TS 27560 with terms of the W3C Data Privacy Vocabulary, to be signed by
// the caller as a JWS. It names what was agreed in the words of the catalogue, and
// no value of a register. Deviation: TS 27560 leaves the encoding open; member
// names here are ours, in its order.
type Receipt struct {
	Schema string `json:"schema_version"`
	// Record is the consent with its version.
	Record    string    `json:"record_id"`
	State     State     `json:"state"`
	At        time.Time `json:"event_time"`
	Person    string    `json:"pii_principal_id"`
	Recipient Party     `json:"pii_controller"`
	Purpose   Term      `json:"purpose"`
	Basis     Term      `json:"lawful_basis"`
	Registry  Term      `json:"source"`
	Data      []Datum   `json:"pii_types"`

	Frequency  string    `json:"frequency,omitempty"`
	DataLife   string    `json:"retention_period,omitempty"`
	ValidUntil time.Time `json:"valid_until"`
	Channel    string    `json:"collection_method"`
	Locale     string    `json:"language"`
	ACR        string    `json:"acr,omitempty"`
	// Hash is the SHA-256 of the words shown.
	Hash string `json:"notice_hash"`
	// Withdrawal is where she ends it, as easily as she gave it.
	Withdrawal string `json:"withdrawal_method"`
}

// ReceiptSchema names this form.
const ReceiptSchema = "urn:hopnhat:consent-receipt:1"

// Party is who receives.
type Party struct {
	ID    authz.ClientID      `json:"id"`
	Name  authz.LocalizedText `json:"name"`
	Owner authz.LocalizedText `json:"operated_by"`
}

// Term is a row of the catalogue with its words and its law.
type Term struct {
	ID       string              `json:"id"`
	Name     authz.LocalizedText `json:"name"`
	Citation string              `json:"citation,omitempty"`
}

// Datum is one attribute.
type Datum struct {
	ID        authz.AttributeID   `json:"id"`
	Name      authz.LocalizedText `json:"name"`
	Sensitive bool                `json:"sensitive"`
}

// Receipt writes the receipt of a version. person is the name she has in the
// evidence, withdrawal the page of this consent.
func (c *Catalogue) Receipt(client *authz.Client, k Consent, v Version, person, withdrawal string) (Receipt, error) {
	if v.Consent != k.ID || k.Client != client.ID {
		return Receipt{}, fmt.Errorf("writing a receipt: version %d of consent %s is not of consent %s with app %q", v.Number, v.Consent, k.ID, client.ID)
	}
	purpose, _ := c.Purpose(k.Purpose)
	basis, _ := c.Basis(v.Basis)
	registry, _ := c.Registry(k.Registry)
	r := Receipt{
		Schema: ReceiptSchema, Record: fmt.Sprintf("%s#%d", v.Consent, v.Number), State: v.State, At: v.At.UTC(), Person: person,
		Recipient: Party{client.ID, client.Name, client.Owner},
		Purpose:   Term{string(k.Purpose), purpose.Text(), purpose.Citation},
		Basis:     Term{string(v.Basis), basis.Text(), basis.Citation},
		Registry:  Term{string(k.Registry), registry.Text(), ""},
		Frequency: v.Frequency, DataLife: v.DataLife, ValidUntil: v.ValidUntil.UTC(), Channel: v.Channel, Locale: v.Locale, ACR: v.ACR,
		Hash: v.TextHash, Withdrawal: withdrawal,
	}
	for _, id := range slices.Sorted(slices.Values(v.Attributes)) {
		a, _ := c.Attribute(id)
		r.Data = append(r.Data, Datum{id, a.Text(), a.Sensitive()})
	}
	return r, nil
}

// JSON is the receipt in bytes, for a signature or a download.
func (r Receipt) JSON() ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding the receipt of %s: %w", r.Record, err)
	}
	return raw, nil
}
