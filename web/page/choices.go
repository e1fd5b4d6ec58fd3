package page

import (
	"context"

	"hopnhat/authz"
	"hopnhat/web/view"
)

// AppList lists apps in the order of their ids, after one of them.
type AppList interface {
	Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error)
}

// maxChoices bounds the apps of a select.
const maxChoices = 500

// AppChoices are the apps to choose from in a form, one of them selected.
func AppChoices(ctx context.Context, apps AppList, selected authz.ClientID) (out []view.Choice, err error) {
	clients, err := apps.Clients(ctx, "", maxChoices)
	for _, c := range clients {
		out = append(out, view.Choice{Value: string(c.ID), Name: c.Name, Selected: c.ID == selected})
	}
	return out, err
}
