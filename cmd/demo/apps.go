package demo

import (
	"fmt"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/authz/registration"
	"hopnhat/conformance/sampleapp"
)

// sampleApps are a province's land service, which asks for consent, and a
// ministry's tax service, which reads on the basis of its duty.
func sampleApps(issuer string, port int) []sampleapp.Config {
	return []sampleapp.Config{
		{
			Issuer: issuer, ClientID: "dat-dai-da-nang", Home: fmt.Sprintf("http://localhost:%d", port+1), Colour: "jade",
			Name:  [2]string{"Dịch vụ đất đai Đà Nẵng", "Đà Nẵng land services"},
			Owner: [2]string{"Ủy ban nhân dân thành phố Đà Nẵng", "People's Committee of Đà Nẵng City"},
			About: [2]string{"Đăng ký thế chấp quyền sử dụng đất trực tuyến: không cần bản sao giấy chứng nhận, không cần nộp lại giấy tờ.", "Register a mortgage of land use rights online: no copies, no papers to hand in again."},
			Details: []sampleapp.Detail{
				{Type: authz.ReleaseType, Registry: "land", Attributes: []string{"land.certificate_no", "land.area", "land.encumbrance"}, Purpose: "land.mortgage", Basis: "LB-CONSENT"},
				{Type: authz.ReleaseType, Registry: "civil", Attributes: []string{"civil.marital_status"}, Purpose: "land.mortgage", Basis: "LB-CONSENT"},
			},
		},
		{
			Issuer: issuer, ClientID: "thue-dien-tu", Home: fmt.Sprintf("http://localhost:%d", port+2), Colour: "ink",
			Name:  [2]string{"Thuế điện tử", "Electronic tax"},
			Owner: [2]string{"Bộ Tài chính", "Ministry of Finance"},
			About: [2]string{"Tra cứu hồ sơ thuế của bạn. Cơ quan thuế đọc dữ liệu theo chức năng luật định; mọi lần đọc đều được ghi lại cho bạn xem.", "Look at your tax file. The tax authority reads by its statutory duty; every read is recorded for you to see."},
			Details: []sampleapp.Detail{
				{Type: authz.ReleaseType, Registry: "tax", Attributes: []string{"tax.tax_code", "tax.taxpayer_status", "tax.arrears"}, Purpose: "tax.declare", Basis: "LB-STATE"},
			},
		},
	}
}

// labels are the catalogue's names of what an app asks for.
func labels(c *consent.Catalogue, details []sampleapp.Detail) map[string][2]string {
	out := map[string][2]string{}
	for _, d := range details {
		purpose, _ := c.Purpose(authz.PurposeID(d.Purpose))
		register, _ := c.Registry(authz.RegistryID(d.Registry))
		out[d.Purpose], out[d.Registry] = [2]string{purpose.VI, purpose.EN}, [2]string{register.VI, register.EN}
		for _, id := range d.Attributes {
			a, _ := c.Attribute(authz.AttributeID(id))
			out[id] = [2]string{a.VI, a.EN}
		}
	}
	return out
}

func registrationOf(a sampleapp.Config, public []byte) registration.Metadata {
	r := registration.Metadata{
		ClientID: a.ClientID, Name: a.Name[0], NameEN: a.Name[1], Owner: &authz.LocalizedText{VI: a.Owner[0], EN: a.Owner[1]},
		JWKS: public, RedirectURIs: []string{a.Home + "/callback"}, PostLogoutRedirectURIs: []string{a.Home + "/signed-out"},
		BackchannelLogoutURI: a.Home + "/backchannel-logout", ConsentNoticeURI: a.Home + "/consent-notices", MinimumLevel: 2,
		ClientURI: a.Home + "/", Sector: a.ClientID + ".demo",
	}
	explanations := map[string]authz.LocalizedText{
		"land":  {VI: "Để biết thửa đất có thể thế chấp hay không.", EN: "To know whether the parcel can be mortgaged."},
		"civil": {VI: "Để biết có cần chữ ký của vợ hoặc chồng hay không.", EN: "To know whether a spouse must sign too."},
		"tax":   {VI: "Để mở hồ sơ thuế của bạn.", EN: "To open your tax file."},
	}
	for _, d := range a.Details {
		declaration := authz.Declaration{
			Purpose: authz.PurposeID(d.Purpose), Basis: authz.Basis(d.Basis), Registry: authz.RegistryID(d.Registry),
			Explanation: explanations[d.Registry], MaxDays: 30, DataLife: "P30D", Frequency: "unlimited",
		}
		for _, id := range d.Attributes {
			declaration.Attributes = append(declaration.Attributes, authz.AttributeID(id))
		}
		if d.Registry == "land" {
			declaration.Required = []authz.AttributeID{"land.certificate_no", "land.encumbrance"}
		}
		r.Declarations = append(r.Declarations, declaration)
	}
	return r
}
