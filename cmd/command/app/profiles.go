package app

import (
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/registration/review"
	"hopnhat/cmd/command/tool"
)

// profileRow is a profile as programs read it; what each member means stands at
// [authz.Profile].
type profileRow struct {
	Name             authz.ProfileName  `json:"profile"`
	Source           string             `json:"source"`
	PAR              bool               `json:"require_pushed_authorization_requests"`
	RequestObject    bool               `json:"require_signed_request_object"`
	Bound            bool               `json:"require_bound_access_tokens"`
	Constraints      []authz.Constraint `json:"access_token_bindings"`
	AuthMethods      []authz.AuthMethod `json:"token_endpoint_auth_methods"`
	ResponseTypes    []string           `json:"response_types"`
	ResponseModes    []string           `json:"response_modes"`
	GrantTypes       []string           `json:"grant_types"`
	ClientAlgorithms []string           `json:"client_signing_algs"`
	TokenAlgorithms  []string           `json:"token_signing_algs"`
	DefaultAlgorithm string             `json:"id_token_signed_response_alg"`
	WithoutPKCE      bool               `json:"code_without_pkce"`
	Rotates          bool               `json:"refresh_token_rotation"`
	BrowserLogout    bool               `json:"browser_logout"`
	CodeSeconds      int64              `json:"code_expires_in"`
	FrontChannel     string             `json:"front_channel_until,omitempty"` // a date
}

// Profiles is `hopnhat profiles`, which prints docs/profiles.md.
func Profiles(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "profiles", Short: "Print what each profile demands and offers, as Markdown", Args: tool.NoWords,
		Example: tool.Lines("hopnhat profiles > docs/profiles.md", "hopnhat profiles --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Array, profileRow{})
	cmd.RunE = func(*cobra.Command, []string) error {
		if !*asJSON {
			return review.WriteProfiles(e.Out)
		}
		var rows []profileRow
		for _, name := range authz.ProfileNames {
			rows = append(rows, profileRowOf(authz.Profiles[name]))
		}
		return e.JSON(rows)
	}
	return cmd
}

func profileRowOf(p authz.Profile) profileRow {
	until := ""
	if !p.FrontChannelUntil.IsZero() {
		until = p.FrontChannelUntil.Format(time.DateOnly)
	}
	some := func(list []string) []string { return append([]string{}, list...) } // [] rather than null
	return profileRow{
		Name: p.Name, Source: p.Source, PAR: p.RequirePAR, RequestObject: p.RequireRequestObject, Bound: p.RequireConstraint,
		Constraints: append([]authz.Constraint{}, p.Constraints...), AuthMethods: append([]authz.AuthMethod{}, p.AuthMethods...),
		ResponseTypes: some(p.ResponseTypes), ResponseModes: some(p.ResponseModes), GrantTypes: some(p.GrantTypes),
		ClientAlgorithms: some(p.ClientAlgorithms), TokenAlgorithms: some(p.TokenAlgorithms), DefaultAlgorithm: p.DefaultAlgorithm,
		WithoutPKCE: p.AllowWithoutPKCE, Rotates: p.RotateRefresh, BrowserLogout: p.BrowserLogout,
		CodeSeconds: int64(p.CodeLife / time.Second), FrontChannel: until,
	}
}
