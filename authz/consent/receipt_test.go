package consent

import (
	"strings"
	"testing"

	"hopnhat/authz"
)

func TestAReceiptSaysWhatWasAgreedInBothLanguages(t *testing.T) {
	k := Consent{ID: "c1", Subject: "an", Client: "clinic", Purpose: "health.care", Registry: "health", Version: 3, State: Withdrawn}
	v := Version{
		Consent: "c1", Number: 2, State: Approved, Attributes: []authz.AttributeID{"health.blood_type", "health.allergies"}, Basis: authz.BasisConsent,
		Frequency: "unlimited", ValidUntil: noon.AddDate(0, 1, 0), TextHash: "h", Locale: "vi", Channel: "web", At: noon,
	}
	r, err := catalogue.Receipt(healthApp(), k, v, "pseudonym", "https://id.example/me/consents/c1")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"record_id":"c1#2"`, `"state":"approved"`, `"id":"health.allergies"`, `"sensitive":true`, `"Consent of the data subject"`,
		`"Sự đồng ý của chủ thể dữ liệu"`, `"citation":"Law 91/2025/QH15`, `"withdrawal_method":"https://id.example/me/consents/c1"`, `"pii_principal_id":"pseudonym"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the receipt lacks %s: %s", want, raw)
		}
	}
	if strings.Contains(string(raw), `"an"`) {
		t.Error("the receipt names the internal subject")
	}
	v.Consent = "c2"
	if _, err := catalogue.Receipt(healthApp(), k, v, "p", ""); err == nil {
		t.Error("a receipt of another consent's version was written")
	}
}
