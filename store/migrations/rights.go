package migrations

import (
	"cmp"
	"fmt"
	"strings"
)

// The roles of PostgreSQL of nodes that do less than all, one for each role of a node. A node
// of several has a login that is a member of theirs.
const (
	RoleProvider   = "hopnhat_provider"
	RoleBroker     = "hopnhat_broker"
	RolePortal     = "hopnhat_portal"
	RoleLog        = "hopnhat_log"
	RoleFederation = "hopnhat_federation"
)

// nodeRoles are the columns of [rights] for nodes that do less than all, in their order.
var nodeRoles = []string{RoleProvider, RoleBroker, RolePortal, RoleLog, RoleFederation}

// What a cell of [rights] may say beside letters.
const (
	// all is what the default privileges allow on a table that [rights] does not restrict.
	all = "rawd"
	// noted is an event with a right to note its place in the log, and nothing else of it.
	noted = "ra w(log_index,log_origin)"
	// held is a right to lock a row against change and to change nothing: PostgreSQL asks for
	// the right to update one column, and the column held takes no value (migration 73).
	held = "r w(held)"
	// begun is held, for grants: a trigger keeps the column created_at as it is.
	begun = "r w(created_at)"
	// app is held, for clients: nothing is read from the column settled, which releases wait for.
	app = "r w(settled)"
)

// right is what roles may do on a table: r, a, w, d are SELECT, INSERT, UPDATE and DELETE as in
// the access lists of PostgreSQL, w(x,y) is UPDATE of these columns alone.
type right struct {
	table  string
	server string    // nodes that do everything, and operators' tools
	nodes  [5]string // of nodeRoles
}

// rights is the one table of what roles may do on the main database: SQL, tests and
// docs/rights.md follow from it. What is not here is refused to all but the server, which may use
// each table that a migration makes.
var rights = []right{
	// table, server, then provider, broker, portal, log, federation
	{"accounts", all, [5]string{"r w(held,devices_since,password_hash,totp_copied,totp_seed,totp_step)", held, "r w(held,devices_since)", "r w(held,devices_since,locked_at,lock_reason)", ""}},
	{"administered_events", "r", [5]string{"", "", "r", "r", "r"}},
	{"announcements", all, [5]string{"raw", "", "", "", ""}},
	{"attempts", all, [5]string{"rd w(failed_at)", "", "", "", ""}},
	{"authorizations", all, [5]string{"rawd", "", "", "", ""}},
	{"clients", all, [5]string{"raw", app, app, "raw", ""}},
	{"consent_versions", all, [5]string{"ra", "r", "ra", "ra", ""}},
	{"consents", all, [5]string{"raw", held, "r w(held,state,version,at)", "r w(held,state,version,at)", ""}},
	{"contacts", all, [5]string{"r w(sealed)", "r w(sealed)", "", "", ""}},
	{"decoupled_requests", all, [5]string{"rawd", "", "r", "", ""}},
	{"event_erasures", "r", [5]string{"", "", "", "r", ""}},
	{"event_numbers", "raw", [5]string{"raw", "raw", "", "raw", ""}},
	{"event_places", "ra", [5]string{"ra", "ra", "ra", "ra", "r"}},
	{"events", noted, [5]string{noted, noted, noted, noted, ""}},
	{"evidence_sealed", "ra", [5]string{"ra", "ra", "ra", "ra", "r"}},
	{"factors", all, [5]string{"r w(secret,counter,last_used_at)", "", "", "", ""}},
	{"failed_sign_ins", all, [5]string{"rawd", "", "", "", ""}},
	{"federated_clients", all, [5]string{"raw", "r", "r", "r", ""}},
	{"federation_bundles", "raw", [5]string{"", "", "", "", "raw"}},
	{"federation_marks", "raw", [5]string{"", "", "raw", "raw", "r"}},
	{"federation_subordinates", "raw", [5]string{"", "", "raw", "raw", "r"}},
	{"federation_verdicts", "rad", [5]string{"", "", "r", "r", "rad"}},
	{"federation_walks", "rad", [5]string{"", "", "r", "r", "rad"}},
	{"goose_db_version", "r", [5]string{"r", "r", "r", "r", "r"}},
	{"grant_principals", all, [5]string{"ra", "r", "", "r", ""}},
	{"grants", all, [5]string{"rawd", begun, "r w(created_at,revoked_at,revoked_because,code_spent_at)", "r w(created_at,revoked_at,revoked_because,code_spent_at)", ""}},
	{"identifiers", all, [5]string{"r", "", "", "", ""}},
	{"incidents", "raw", [5]string{"ra w(seen_at,mac)", "r", "r w(state,proposed_by,proposed_role,proposed_reason,proposed_at,closed_by,closed_role,closed_reason,closed_at,mac)", "raw", ""}},
	{"initial_access_tokens", all, [5]string{"r w(uses_left)", "", "", "", ""}},
	{"key_lease", all, [5]string{"raw", "raw", "raw", "raw", "raw"}},
	{"key_nodes", all, [5]string{"rawd", "rawd", "rawd", "rawd", "rawd"}},
	{"key_parties", all, [5]string{"rawd", "raw", "r", "r", "r"}},
	{"key_signatures", all, [5]string{"rawd", "raw", "raw", "raw", "raw"}},
	{"key_versions", all, [5]string{"raw", "raw", "raw", "raw", "raw"}},
	{"keyring", all, [5]string{"ra", "ra", "ra", "ra", "ra"}},
	{"log_counters", "ra", [5]string{"", "", "", "ra", ""}},
	{"log_decisions", all, [5]string{"", "", "", "r", ""}},
	{"log_shards", all, [5]string{held, held, held, "raw", "r"}},
	{"logout_deliveries", all, [5]string{"rawd", "", "ra w(attempts,next_at,done_at)", "ra", ""}},
	{"pairwise_subjects", all, [5]string{"ra", "", "", "", ""}},
	{"passkey_removals", "ra", [5]string{"r", "", "ra", "ra", ""}},
	{"passkeys", "raw", [5]string{"r w(counter,counter_mac,last_used_at)", "", "ra w(name,disabled_at)", "r w(name,disabled_at)", ""}},
	{"reconcilers", all, [5]string{"", "", "", "raw", ""}},
	{"regional_changes", all, [5]string{"ra w(version)", "", "ra w(version)", "ra w(version)", ""}},
	{"regional_choices", all, [5]string{"r w(handed_at)", "", "rad", "r", ""}},
	{"regional_events", "ra", [5]string{"ra", "", "", "", ""}},
	{"regional_feeds", all, [5]string{"r", "", "", "", ""}},
	{"regional_heads", all, [5]string{"raw", "", "", "", ""}},
	{"regional_keys", all, [5]string{"r", "r", "r", "", ""}},
	{"regional_logs", all, [5]string{"raw", "", "", "", ""}},
	{"regional_names", all, [5]string{"r", "", "ra", "", ""}},
	{"regional_people", all, [5]string{"r", "", "", "", ""}},
	{"regional_sectors", all, [5]string{"ra", "ra", "ra", "ra", ""}},
	{"registrations", all, [5]string{"rawd", "", "", "rd", ""}},
	{"release_uses", all, [5]string{"rawd", "raw", "", "", ""}},
	{"resources", all, [5]string{"r", "", "", "r", ""}},
	{"revoked_tokens", all, [5]string{"rad w(expires_at)", "r", "", "", ""}},
	{"roles", all, [5]string{"", "", "r", "rd", ""}},
	{"sessions", all, [5]string{"rawd", "", "r w(held,seen_at,ended_at,ended_because)", "r w(held,seen_at,ended_at,ended_because)", ""}},
	{"sign_in_attempts", all, [5]string{"rawd", "", "", "", ""}},
	{"signed_key_sets", all, [5]string{"raw", "", "", "", ""}},
	{"site_nodes", all, [5]string{"raw", "raw", "raw", "raw", "raw"}},
	{"sites", all, [5]string{"r", "r", "r", "rawd", "r"}},
	{"upstream_links", all, [5]string{"raw", "", "ra w(ended_at)", "r w(ended_at)", ""}},
	{"upstream_pending", all, [5]string{"rawd", "", "a", "", ""}},
	{"upstream_proofs", all, [5]string{"rawd", "", "rd", "rd", ""}},
	{"upstream_sessions", all, [5]string{"raw", "", "r", "", ""}},
	{"used_assertions", all, [5]string{"rad", "", "", "", ""}},
	{"used_challenges", all, [5]string{"rad", "", "ra", "", ""}},
	{"used_proofs", all, [5]string{"", "", "", "", "rad"}},
}

// Tables are those that [rights] names, sorted.
func Tables() []string {
	names := make([]string, len(rights))
	for i, r := range rights {
		names[i] = r.table
	}
	return names
}

// grants are those of a cell, each column by itself: one that no migration has made yet costs the
// role nothing else.
func grants(cell string) (each []string) {
	whole, columns, limited := strings.Cut(spelled(cell), " (")
	if cell == "" {
		return nil
	}
	if !limited {
		return []string{whole}
	}
	verb := whole
	if at := strings.LastIndex(whole, ", "); at >= 0 {
		each, verb = append(each, whole[:at]), whole[at+2:]
	}
	for _, column := range strings.Split(strings.TrimSuffix(columns, ")"), ", ") {
		each = append(each, verb+" ("+column+")")
	}
	return each
}

// spelled is a cell of [rights] as PostgreSQL takes it: SELECT, INSERT, UPDATE (held).
func spelled(cell string) string {
	words := map[rune]string{'r': "SELECT", 'a': "INSERT", 'w': "UPDATE", 'd': "DELETE"}
	letters, columns, limited := strings.Cut(cell, "(")
	var some []string
	for _, letter := range letters {
		if word := words[letter]; word != "" {
			some = append(some, word)
		}
	}
	if limited { // w stands last
		some[len(some)-1] += " (" + strings.ReplaceAll(strings.TrimSuffix(columns, ")"), ",", ", ") + ")"
	}
	return strings.Join(some, ", ")
}

// narrowing takes from everybody but the owner, on the tables that are there, what [rights] does
// not allow, and gives it to the roles that are there. It is one statement, so no node that runs
// meanwhile is without a right that it has before and after.
func narrowing() string {
	var b strings.Builder
	b.WriteString("DO $$\nDECLARE role name; cell record;\nBEGIN\n")
	others := "'" + strings.Join(nodeRoles, "', '") + "'"
	for _, r := range rights {
		if r.server == all {
			continue
		}
		fmt.Fprintf(&b, `  FOR role IN SELECT DISTINCT pg_get_userbyid(a.grantee) FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = to_regclass('%[1]s') AND a.grantee NOT IN (c.relowner, 0) AND a.privilege_type <> 'SELECT'
    AND pg_get_userbyid(a.grantee) NOT IN (%[3]s)
  LOOP
    EXECUTE format('REVOKE ALL ON %[1]s FROM %%I', role);
    EXECUTE format('GRANT %[2]s ON %[1]s TO %%I', role);
  END LOOP;
  IF to_regclass('%[1]s') IS NOT NULL THEN
    REVOKE ALL ON %[1]s FROM PUBLIC;
  END IF;
`, r.table, spelled(r.server), others)
	}
	fmt.Fprintf(&b, `  IF to_regclass('event_erasures') IS NOT NULL AND EXISTS (SELECT FROM pg_roles WHERE rolname = '%[1]s') THEN
    GRANT SELECT, INSERT, DELETE ON events TO %[1]s;
    GRANT SELECT, INSERT ON event_erasures TO %[1]s;
  END IF;
`, RoleErase)
	fmt.Fprintf(&b, `  FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN (%s) LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %%I', role);
  END LOOP;
  FOR cell IN SELECT v.* FROM (VALUES
`, others)
	var cells []string
	for _, r := range rights {
		for i, cell := range r.nodes {
			for _, one := range grants(cell) {
				cells = append(cells, fmt.Sprintf("    ('%s', '%s', '%s')", r.table, nodeRoles[i], one))
			}
		}
	}
	b.WriteString(strings.Join(cells, ",\n"))
	b.WriteString(`) AS v (object, grantee, may) JOIN pg_roles ON rolname = v.grantee WHERE to_regclass(v.object) IS NOT NULL
  LOOP
    BEGIN
      EXECUTE format('GRANT %s ON %I TO %I', cell.may, cell.object, cell.grantee);
    EXCEPTION WHEN undefined_column THEN NULL; -- the migration that makes it grants again
    END;
  END LOOP;
END $$;
`)
	return b.String()
}

// RightsPage is docs/rights.md.
func RightsPage() string {
	var b strings.Builder
	b.WriteString(`# What each role may do in the main database

Made of the table in ` + "`store/migrations/rights.go`" + ` by ` + "`go test ./store/migrations -run TestRightsPage -update`" + `. The SQL is printed by
` + "`hopnhat migrate --print-roles`" + `, and each migration gives and takes the rights again. How to use the roles:
[production.md](production.md#1-roles-and-databases).

r is SELECT, a is INSERT, w is UPDATE, d is DELETE; w(x) is UPDATE of the column x alone, "-" is nothing. ` + "`held`" + ` is a column that takes
no value: the right to update it is the right to lock the row. ` + "`created_at`" + ` of ` + "`grants`" + ` is such a right too: a trigger keeps the value.

On ` + "`events`" + ` a trigger refuses what the letters cannot say: evidence of a release is written only by a role that may add to ` + "`release_uses`" + `,
evidence of a consent only by one that may add to ` + "`consent_versions`" + `.

| table | server | ` + strings.ReplaceAll(strings.Join(nodeRoles, " | "), "hopnhat_", "") + ` |
| --- | --- | --- | --- | --- | --- | --- |
`)
	for _, r := range rights {
		cells := append([]string{r.server}, r.nodes[:]...)
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(cmp.Or(cell, "-"), ",", ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.table, strings.Join(cells, " | "))
	}
	b.WriteString("\n`" + RoleErase + "` is the server's role with DELETE on `events`, which a trigger allows only for an event whose tombstone is in the log, and\n" +
		"INSERT on `event_erasures`.\n")
	return b.String()
}
