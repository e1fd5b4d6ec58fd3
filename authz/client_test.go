package authz

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestAStoredClientIsFlat: a registration is one object whose members are the fields,
// whatever group they are in, since nodes of the release before read and write it so.
func TestAStoredClientIsFlat(t *testing.T) {
	raw, err := json.Marshal(Client{
		Authentication: Authentication{Method: PrivateKeyJWT}, Keys: Keys{JWKSSignedBy: []byte("{}")},
		Tokens: Tokens{Sector: "app.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	fields := 0
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Client]()) {
		_, there := stored[f.Name]
		if f.Tag.Get("json") == "-" { // kept beside the record, as Membership
			if there {
				t.Errorf("%s is stored with the record", f.Name)
			}
			continue
		}
		if there == f.Anonymous {
			t.Errorf("%s: stored %v, a group %v", f.Name, there, f.Anonymous)
		}
		if !f.Anonymous {
			fields++
		}
	}
	if fields != len(stored) {
		t.Errorf("%d members for %d fields", len(stored), fields)
	}
	// As a node of the release before wrote it.
	var c Client
	if err := json.Unmarshal([]byte(`{"ID":"app","Method":"private_key_jwt","Sector":"app.example","Scopes":["openid"],"BackchannelDelivery":"poll"}`), &c); err != nil ||
		c.Method != PrivateKeyJWT || c.Sector != "app.example" || len(c.Scopes) != 1 || c.BackchannelDelivery != "poll" {
		t.Errorf("read %+v, %v", c, err)
	}
}
