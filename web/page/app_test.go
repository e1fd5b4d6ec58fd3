package page

import (
	"context"
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/web/view"
)

type apps map[authz.ClientID]*authz.Client

func (a apps) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if c := a[id]; c != nil {
		return c, nil
	}
	return nil, errors.New("no such app")
}

// TestClientOrID: an app that is gone is called by its id, so that a list of what was
// never has a gap.
func TestClientOrID(t *testing.T) {
	known := apps{"so-dat": {ID: "so-dat", Name: view.Words{VI: "Sổ đất"}}}
	for id, want := range map[authz.ClientID]string{"so-dat": "Sổ đất", "gone": "gone"} {
		if got := ClientOrID(t.Context(), known, id); got.ID != id || got.Name.VI != want {
			t.Errorf("%s is %+v", id, got)
		}
	}
}

// TestApp: a page shows a picture of an app that somebody vouches for, and of no other.
func TestApp(t *testing.T) {
	vouched := authz.Verification{By: "operator", At: time.Now()}
	for _, row := range []struct {
		name   string
		client authz.Client
		logo   string
	}{
		{"vouched for, with a logo", authz.Client{ID: "a/b", Described: authz.Described{LogoURI: "https://app.example/x"}, Verified: vouched}, "/logo/a%2Fb"},
		{"vouched for, without one", authz.Client{ID: "a", Verified: vouched}, ""},
		{"nobody vouches for it", authz.Client{ID: "a", Described: authz.Described{LogoURI: "https://app.example/x"}}, ""},
	} {
		got := App(&row.client)
		if got.LogoURL != row.logo || got.Verified != row.client.Verified.Holds() {
			t.Errorf("%s: %+v", row.name, got)
		}
	}
}

// TestCitation: the catalogue cites in English; a Vietnamese page cites in Vietnamese.
func TestCitation(t *testing.T) {
	for _, row := range []struct {
		text string
		lang view.Lang
		want string
	}{
		{"Law 91/2025/QH15 Art. 9", view.Vietnamese, "Luật 91/2025/QH15 Điều 9"},
		{"Decree 69/2024/NĐ-CP Art. 5 as amended", view.Vietnamese, "Nghị định 69/2024/NĐ-CP Điều 5 (sửa đổi)"},
		{"Law 91/2025/QH15 Art. 9", view.English, "Law 91/2025/QH15 Art. 9"},
	} {
		if got := Citation(row.text, row.lang); got != row.want {
			t.Errorf("%s in %s: %q", row.text, row.lang, got)
		}
	}
}

// TestRegistryOwner: the catalogue has the Vietnamese name with the English in brackets.
func TestRegistryOwner(t *testing.T) {
	for owner, want := range map[string]view.Words{
		"Bộ Công an (Ministry of Public Security)": {VI: "Bộ Công an", EN: "Ministry of Public Security"}, "Bộ Tài chính": {VI: "Bộ Tài chính"},
	} {
		if got := RegistryOwner(consent.Registry{Owner: owner}); got != want {
			t.Errorf("%q: %+v", owner, got)
		}
	}
}
