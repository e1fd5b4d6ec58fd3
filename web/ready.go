package web

import (
	"github.com/gofiber/fiber/v2"
)

// Role is a part that a node plays, each with its own readiness: a balancer may send
// nobody to a node for what it cannot do, and go on with the rest.
type Role string

// The roles of a node.
const (
	Provider   Role = "provider"   // sign-in, consent, tokens
	Broker     Role = "broker"     // releases
	Portal     Role = "portal"     // the citizen's and the auditors' pages
	LogWriter  Role = "log"        // the writer of the release log
	Federation Role = "federation" // what an entity of a federation publishes
)

// AllRoles are all of them.
var AllRoles = []Role{Provider, Broker, Portal, LogWriter, Federation}

// Part is what is known of something that a node needs.
type Part struct {
	Name string
	// Roles are those that do not work without it.
	Roles []Role
	Down  bool
	// Cause names, in a stable word, why it is down; it may be empty.
	Cause string
}

// ready answers the readiness of a role, or of all for "", without inner details. It
// probes nothing: the state was found out in the background.
func (s *Server) ready(role Role) fiber.Handler {
	return func(c *fiber.Ctx) error {
		parts, status := map[string]string{}, fiber.StatusOK
		for _, part := range s.o.Parts() {
			needed := role == ""
			for _, one := range part.Roles {
				needed = needed || one == role
			}
			if !needed {
				continue
			}
			parts[part.Name] = "ok"
			if part.Down {
				parts[part.Name], status = "unavailable", fiber.StatusServiceUnavailable
				if part.Cause != "" {
					parts[part.Name] += ": " + part.Cause
				}
			}
		}
		c.Set(fiber.HeaderCacheControl, "no-store")
		return c.Status(status).JSON(parts)
	}
}
