package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Server is a PostgreSQL database that was reached.
type Server struct {
	Pool   *sql.DB
	Config *pgx.ConnConfig
	// Pooled says that a pooler such as PgBouncer stands in between. It may give each
	// transaction another connection, so nothing may be left on one: no prepared
	// statement, no setting.
	Pooled bool
}

// StatementLimit is how long a statement of a server may take.
const StatementLimit = 15 * time.Second

// Dial reaches a PostgreSQL database and makes a pool of at most conns connections.
// limit is how long a statement may take, unless the address says otherwise; zero is
// for who changes tables, which takes as long as it takes.
func Dial(ctx context.Context, dsn string, conns int, limit time.Duration) (*Server, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's words may repeat the password.
		return nil, errors.New("the address cannot be read: want postgres://user@host:port/database")
	}
	inURL := config.RuntimeParams["statement_timeout"] != ""
	if !inURL {
		config.RuntimeParams["statement_timeout"] = strconv.FormatInt(limit.Milliseconds(), 10)
	}
	config.RuntimeParams["timezone"] = "UTC"
	pooled, err := throughPooler(ctx, config)
	if startupRefused(err) && !inURL {
		// PgBouncer takes no statement_timeout; that of the role holds (migrations.RolesSQL).
		delete(config.RuntimeParams, "statement_timeout")
		pooled, err = throughPooler(ctx, config)
	}
	if startupRefused(err) {
		return nil, fmt.Errorf("the pooler in front of the database refuses a parameter of the address: set it for the role instead, with ALTER ROLE … SET: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if pooled {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxLifetime(30 * time.Minute)
	return &Server{Pool: pool, Config: config, Pooled: pooled}, nil
}

// Single is a pool of one connection, for what must not wait behind the others.
func (s *Server) Single() *sql.DB {
	pool := stdlib.OpenDB(*s.Config)
	pool.SetMaxOpenConns(1)
	return pool
}

// throughPooler connects once, and reports whether the process that answers is another
// than the one that took the connection: a pooler makes up the number of its own.
func throughPooler(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return false, err
	}
	return pid != conn.PgConn().PID(), nil
}

// startupRefused reports whether a connection was refused for a parameter that it
// began with: PgBouncer lets few through.
func startupRefused(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && strings.Contains(refused.Message, "startup parameter")
}
