package node

import (
	"context"
	"errors"
	"slices"

	"hopnhat/cmd/node/releaselog"
	"hopnhat/cmd/node/watch"
	"hopnhat/keys"
	"hopnhat/store"
	"hopnhat/store/tlog"
	"hopnhat/web"
)

// leastFree is how much room the folder of the release log must have: a day of a busy
// site is some hundred megabytes.
const leastFree = 64 << 20

// needs are the rows of needTable that take out a role of this node.
func (n *Node) needs() []watch.Need {
	return slices.DeleteFunc(n.needTable(), func(row watch.Need) bool { return !n.has(row.Roles...) })
}

// needTable is the one table of what takes which role out. What stops only releases is the
// broker's alone. Nothing here depends on what a row or a request holds.
func (n *Node) needTable() []watch.Need {
	releases := []web.Role{web.Broker}
	logging := []web.Role{web.Broker, web.LogWriter}
	disk := logging
	if !n.has(web.LogWriter) {
		disk = nil // the log is not in the folder of this node
	}
	return []watch.Need{
		{Part: "database", Roles: web.AllRoles, Look: n.log.Beat, Cause: func(err error) string {
			if errors.Is(err, store.ErrSiteTaken) {
				return "site-taken"
			}
			return ""
		}},
		{Part: "keys", Roles: []web.Role{web.Provider, web.Broker, web.LogWriter, web.Federation}, Look: n.Ring.Health, Cause: func(err error) string {
			cause, _ := keys.CauseOf(err)
			return string(cause)
		}},
		{Part: "registry", Roles: releases, Look: func(ctx context.Context) error { _, err := n.registry.Status(ctx); return err }},
		{Part: "rows", Roles: releases, Look: func(context.Context) error { return n.log.Explained() }, Cause: tlog.Code},
		{Part: "log", Roles: logging, Look: n.log.Health, Cause: releaselog.Code},
		{Part: "disk", Roles: disk, Look: func(context.Context) error { return watch.EnoughRoom(leastFree, n.folders()...) }},
	}
}

// folders are those that need room: the state, and that of the log where this node writes it.
func (n *Node) folders() []string {
	if n.log.Writes() {
		return []string{n.Config.State, n.Config.LogFolder}
	}
	return []string{n.Config.State}
}
