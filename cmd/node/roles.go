package node

import (
	"fmt"
	"slices"
	"strings"

	"hopnhat/web"
)

// Sets of roles whose nodes have a part.
var (
	// answering are the roles that answer apps and people.
	answering = []web.Role{web.Provider, web.Broker, web.Portal}
	// releasing are the roles that read the national registers, the provider for claims.
	releasing = []web.Role{web.Provider, web.Broker}
	// recording are the roles that write evidence or show what is known of it; the entity of a
	// federation alone reads and writes nothing about people.
	recording = []web.Role{web.Provider, web.Broker, web.Portal, web.LogWriter}
)

// Roles reads a list of roles.
func Roles(list string) (roles []web.Role, err error) {
	for _, name := range List(list) {
		role := web.Role(name)
		switch {
		case !slices.Contains(web.AllRoles, role):
			return nil, fmt.Errorf("there is no role %q: name %s", name, roleNames())
		case slices.Contains(roles, role):
			return nil, fmt.Errorf("%s is there twice", name)
		}
		roles = append(roles, role)
	}
	if len(roles) == 0 {
		return nil, fmt.Errorf("a node has one role at least: name %s", roleNames())
	}
	return roles, nil
}

// roleNames are all roles, as they are written in a configuration.
func roleNames() string {
	names := make([]string, len(web.AllRoles))
	for i, role := range web.AllRoles {
		names[i] = string(role)
	}
	return strings.Join(names, ",")
}

// has reports whether this node has one of some roles.
func (n *Node) has(roles ...web.Role) bool { return anyOf(n.roles, roles) }

// anyOf reports whether one of some roles is among those of a node.
func anyOf(of, some []web.Role) bool {
	return slices.ContainsFunc(some, func(role web.Role) bool { return slices.Contains(of, role) })
}
