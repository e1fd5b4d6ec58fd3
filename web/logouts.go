package web

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/web/view"
)

const logouts = console + "/logouts"

func (s *Server) logoutsRoutes(a *fiber.App) {
	a.Get(logouts, s.page(s.logouts))
	a.Post(logouts+"/retry", s.page(s.retryLogout))
}

// logouts is the status page of logout tokens: of one app, or what failed.
func (s *Server) logouts(v *visit) error {
	if err := v.operator(); err != nil {
		return err
	}
	return s.showLogouts(v, authz.ClientID(v.c.Query("app")), v.c.Query("before"), false)
}

func (s *Server) showLogouts(v *visit, client authz.ClientID, before string, retried bool) error {
	const pageSize = 50
	if len(client) > 256 || len(before) > 64 {
		return fault(view.ErrorBadRequest)
	}
	found, err := s.o.Logouts.Logouts(v.ctx, client, before, pageSize+1)
	if err != nil {
		return err
	}
	page := view.Logouts{URL: logouts, RetryURL: logouts + "/retry", App: string(client), Retried: retried}
	apps, err := s.o.Clients.Clients(v.ctx, "", 500)
	if err != nil {
		return err
	}
	for _, c := range apps {
		page.Apps = append(page.Apps, view.Choice{Value: string(c.ID), Name: c.Name, Selected: c.ID == client})
	}
	here := func(before string) string {
		q := url.Values{}
		if client != "" {
			q.Set("app", string(client))
		}
		if before != "" {
			q.Set("before", before)
		}
		return logouts + "?" + q.Encode()
	}
	if len(found) > pageSize {
		found = found[:pageSize]
		page.Older = here(found[pageSize-1].ID)
	}
	if before != "" {
		page.Newer = here("")
	}
	for _, d := range found {
		row := view.LogoutDelivery{
			ID: d.ID, App: s.client(v.ctx, d.Client).Name, Client: string(d.Client), Queued: d.Queued(), Attempts: d.Attempts,
			State: view.DeliveryState(d.State()), Cause: view.DeliveryCause(d.Failed.Kind()), Answer: d.Failed.Answer(),
			Consent: d.About != "", Retry: d.Failed != "" && d.State() != session.Delivered,
		}
		if d.Done.IsZero() {
			row.Next = d.Next
		} else {
			row.Done = d.Done
		}
		page.Rows = append(page.Rows, row)
	}
	return v.show(page, view.OperatorNav(console, view.SectionLogouts)...)
}

// retryLogout lets a delivery that failed begin again at once.
func (s *Server) retryLogout(v *visit) error {
	if err := v.checkForm(); err != nil {
		return err
	}
	if err := v.operator(); err != nil {
		return err
	}
	if err := s.o.Logouts.RetryLogout(v.ctx, v.field("delivery"), s.o.Now()); err != nil {
		return err
	}
	s.o.LogoutQueued()
	client := v.field("app")
	v.formPath = logouts + "?" + url.Values{"app": {client}}.Encode()
	return s.showLogouts(v, authz.ClientID(client), "", true)
}
