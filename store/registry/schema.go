package registry

import "strings"

// SchemaVersion changes with the tables. The nation is synthetic, so another
// version is generated again, never migrated.
const SchemaVersion = 3

// column is one column of a table: its kind decides its type, unless exact says
// it in each database's words.
type column struct {
	name  string
	exact string // type and constraints; @uuid and @date become the database's own
	kind  Kind   // for columns of registers
}

// Table is one table, as the loader writes it.
type Table struct {
	name    string
	columns []column
	primary string // columns of the primary key, if any
	indexes []string
}

// ColumnNames are in the order of a row's values.
func (t *Table) ColumnNames() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// Name is what the database calls it.
func (t *Table) Name() string { return t.name }

// complete are the statements that finish the table after the load, when they
// cost least: in a primary key of random ids, PostgreSQL would write all over
// its index. SQLite cannot add one later.
func (t *Table) complete(postgres bool) []string {
	if postgres && t.primary != "" {
		return append([]string{"ALTER TABLE " + t.name + " ADD PRIMARY KEY (" + t.primary + ")"}, t.indexes...)
	}
	return t.indexes
}

// create is the statement that makes the table.
func (t *Table) create(postgres bool) string {
	words := strings.NewReplacer("@uuid", "text", "@date", "text")
	if postgres {
		words = strings.NewReplacer("@uuid", "uuid", "@date", "date")
	}
	var parts []string
	for _, c := range t.columns {
		if c.exact != "" {
			parts = append(parts, c.name+" "+words.Replace(c.exact))
			continue
		}
		parts = append(parts, c.name+" "+c.kind.sqlType(postgres))
	}
	if t.primary != "" && !postgres {
		parts = append(parts, "PRIMARY KEY ("+t.primary+")")
	}
	return "CREATE TABLE " + t.name + " (" + strings.Join(parts, ", ") + ")"
}

// nationTable says what was loaded, and whether it is whole.
var nationTable = &Table{name: "nation", columns: []column{
	{name: "schema_version", exact: "integer NOT NULL"},
	{name: "generator_version", exact: "integer NOT NULL"},
	{name: "persons", exact: "integer NOT NULL"},
	{name: "organisations", exact: "integer NOT NULL"},
	{name: "seed", exact: "bigint NOT NULL"},
	{name: "complete", exact: "boolean NOT NULL"},
}}

// The tables that are not registers. Every name starts with nation, so that a
// reset in the wrong database harms nobody.
var (
	// Persons are all who are known, living or not.
	Persons = &Table{name: "nation_persons", columns: []column{
		{name: "id", exact: "@uuid NOT NULL"},
		{name: "seq", exact: "integer NOT NULL"},
		{name: "name", exact: "text NOT NULL"},
		{name: "birth", exact: "text NOT NULL CHECK (length(birth) IN (4, 10))"},
		{name: "female", exact: "boolean NOT NULL"},
		{name: "life", exact: "text NOT NULL CHECK (life IN ('còn sống', 'đã chết', 'mất tích'))"},
		{name: "died", exact: "@date"},
		{name: "kind", exact: "text NOT NULL CHECK (kind IN ('citizen', 'foreigner'))"},
		{name: "guardian", exact: "@uuid"},
	}, primary: "id", indexes: []string{"CREATE UNIQUE INDEX nation_persons_seq ON nation_persons (seq)"}}
	// Identifiers are their numbers, one after the other.
	Identifiers = &Table{name: "nation_identifiers", columns: []column{
		{name: "subject", exact: "@uuid NOT NULL"},
		{name: "kind", exact: "text NOT NULL CHECK (kind IN ('pin', 'foreigner', 'old_card', 'enterprise'))"},
		{name: "number", exact: "text NOT NULL"},
		{name: "epoch", exact: "integer NOT NULL"},
		{name: "valid_from", exact: "@date NOT NULL"},
		{name: "valid_to", exact: "@date"},
		{name: "status", exact: "text NOT NULL CHECK (status IN ('active', 'cancelled'))"},
		{name: "successor", exact: "text"},
	}, primary: "subject, kind, epoch", indexes: []string{
		// A number is unique in its series for ever: it is never given out twice
		// (Decree 70/2024/NĐ-CP Art. 11).
		"CREATE UNIQUE INDEX nation_identifiers_number ON nation_identifiers (number, kind)",
		"CREATE UNIQUE INDEX nation_identifiers_active ON nation_identifiers (subject, kind) WHERE status = 'active'",
	}}
	// Organisations are companies and other bodies.
	Organisations = &Table{name: "nation_organisations", columns: []column{
		{name: "id", exact: "@uuid NOT NULL"}, {name: "seq", exact: "integer NOT NULL"}, {name: "name", exact: "text NOT NULL"}, {name: "status", exact: "text NOT NULL"},
	}, primary: "id"}
	// Representatives are who acts for an organisation by law.
	Representatives = &Table{name: "nation_representatives", columns: []column{
		{name: "organisation", exact: "@uuid NOT NULL"},
		{name: "person", exact: "@uuid NOT NULL"},
		{name: "title", exact: "text NOT NULL"},
		{name: "joint", exact: "boolean NOT NULL"},
		{name: "valid_from", exact: "@date NOT NULL"},
		{name: "valid_to", exact: "@date"},
	}, primary: "organisation, person, valid_from", indexes: []string{
		"CREATE INDEX nation_representatives_person ON nation_representatives (person)",
	}}
	// Family are the links between persons.
	Family = &Table{name: "nation_family", columns: []column{
		{name: "person", exact: "@uuid NOT NULL"}, {name: "relation", exact: "text NOT NULL CHECK (relation IN ('mẹ', 'cha', 'con', 'vợ/chồng'))"}, {name: "other", exact: "@uuid NOT NULL"},
	}, primary: "person, relation, other"}
)

var registerTables = func() map[string]*Table {
	m := map[string]*Table{}
	for _, r := range registers {
		t := &Table{name: r.table(), columns: []column{{name: "subject", exact: "@uuid NOT NULL"}, {name: "row_no", exact: "integer NOT NULL"}}, primary: "subject, row_no"}
		for _, a := range r.Attributes {
			t.columns = append(t.columns, column{name: a.Column(), kind: a.kind})
		}
		m[r.ID] = t
	}
	return m
}()

// TableOf is the table of a register.
func TableOf(register string) *Table { return registerTables[register] }

// tables lists all tables, the one that says whether the others are whole last:
// it is the last to be dropped.
func tables() []*Table {
	list := []*Table{Persons, Identifiers, Organisations, Representatives, Family}
	for _, r := range registers {
		list = append(list, registerTables[r.ID])
	}
	return append(list, nationTable)
}
