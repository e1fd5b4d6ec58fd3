package view

// Home is the issuer's start page: what this is, and where to go.
type Home struct {
	Issuer       string
	PortalURL    string
	ConsoleURL   string
	DiscoveryURL string // OpenID Connect Discovery §4
	MetadataURL  string // of the authorization server
	KeysURL      string
	// Apps are links to try, empty outside a demonstration.
	Apps []AppLink
}

func (Home) page() string { return "Home" }

// AppLink is an app that can be opened.
type AppLink struct {
	App App
	URL string
}
