package handle

import (
	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"

	"hopnhat/store/sqldb"
)

// sqliteDialector is what GORM needs to know of SQLite where it only passes statements
// on: their placeholders, and what an error means. Statements are ours, and so are the
// tables: GORM builds none of either.
type sqliteDialector struct{ pool gorm.ConnPool }

// Name implements gorm.Dialector.
func (sqliteDialector) Name() string { return string(SQLite) }

// Initialize implements gorm.Dialector.
func (d sqliteDialector) Initialize(g *gorm.DB) error {
	g.ConnPool = d.pool
	callbacks.RegisterDefaultCallbacks(g, &callbacks.Config{})
	return nil
}

// BindVarTo implements gorm.Dialector.
func (sqliteDialector) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) { _ = w.WriteByte('?') }

// QuoteTo implements gorm.Dialector.
func (sqliteDialector) QuoteTo(w clause.Writer, name string) { _, _ = w.WriteString(`"` + name + `"`) }

// Explain implements gorm.Dialector.
func (sqliteDialector) Explain(sql string, values ...any) string {
	return logger.ExplainSQL(sql, nil, `'`, values...)
}

// Translate implements gorm.ErrorTranslator.
func (sqliteDialector) Translate(err error) error {
	switch sqldb.SQLiteViolation(err) {
	case sqldb.UniqueKey:
		return gorm.ErrDuplicatedKey
	case sqldb.ForeignKey:
		return gorm.ErrForeignKeyViolated
	}
	return err
}

// Migrator implements gorm.Dialector. Tables are made by goose.
func (sqliteDialector) Migrator(*gorm.DB) gorm.Migrator { return nil }

// DataTypeOf implements gorm.Dialector; see Migrator.
func (sqliteDialector) DataTypeOf(*schema.Field) string { return "" }

// DefaultValueOf implements gorm.Dialector; see Migrator.
func (sqliteDialector) DefaultValueOf(*schema.Field) clause.Expression {
	return clause.Expr{SQL: "NULL"}
}
