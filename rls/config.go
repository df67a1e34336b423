package rls

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/tenant"
)

// Config says which database to open, and how. Only URL is required; Open never changes the caller's copy.
type Config struct {
	// URL is the application's login: a PostgreSQL URL or keyword string, as libpq and pgx read it. It must be encrypted
	// unless the server is on this machine, and may set no session parameter but application_name and timeouts.
	URL string
	// AppRole is the role that the policies were written for with Options.AppRole: the login itself, which is the
	// default, or a group that it belongs to.
	AppRole string
	// TenantFrom is where the policies read the tenant, as in Options. Default: FromSetting.
	TenantFrom TenantSource
	// Directory, when set, says where each tenant lives. URL stays empty then, and Credentials are required.
	Directory Directory
	// Credentials give the logins for the Directory's entries.
	Credentials Credentials
	// Cache says how long the DB relies on what the Directory said.
	Cache DirectoryCache
	// MaxConns bounds the open connections; with a Directory, those of all places together: as many as there are tenants
	// with a place of their own at work at one time, or connections are made and closed all the time. Default: 10.
	MaxConns int
	// MinConns is how many connections are kept open when idle. Default: 0.
	MinConns int
	// MaxConnLifetime closes a connection after this time, spread by up to a tenth. Default: 1 hour.
	MaxConnLifetime time.Duration
	// MaxConnIdleTime closes an idle connection. Default: 30 minutes.
	MaxConnIdleTime time.Duration
	// AcquireTimeout bounds the wait for a connection when all are in use or one must be made, beside the context's own
	// deadline. Default: 5 seconds.
	AcquireTimeout time.Duration
	// ConnectTimeout bounds the making of one connection. Default: 10 seconds.
	ConnectTimeout time.Duration
	// PingAfter is how long a connection may be idle before it is asked whether it still lives, which costs a round
	// trip. Default: 1 second, as pgx's.
	PingAfter time.Duration
	// StatementCache is how many prepared statements a connection keeps. Default: 512.
	StatementCache int
	// Types names enums, composites and domains of the database to load on each connection, so that pgx can read them.
	Types []string
	// TypeMap, when set, registers Go types on each connection's map, as for pgx. It must be safe for concurrent use.
	TypeMap func(*pgtype.Map)
	// Pooler says what the URL, or each of a Directory's targets, leads to. Default: it is found out.
	Pooler Pooler
	// LoaderURL, when set, is the login of Options.LoaderRole, by which CopyIn runs. Open refuses one that can do anything
	// else. With a Directory it is ErrOptions: CopyIn runs by the login of each tenant's place. Default: CopyIn runs by the application's login.
	LoaderURL string
	// LoaderConns bounds the loader's connections, beside MaxConns. Default: 2.
	LoaderConns int
	// CheckEvery is how many statements of a connection share one independent check: whether the rows of a result that
	// carry a tenant column, as the server describes it, are all the tenant's. 1 checks every result, as tests do; a
	// negative number none. Default: 100. The first check of a table on a connection costs a round trip.
	CheckEvery int
	// OnIncident is told of a row of another tenant, after the request was refused and its connection closed. It may be
	// called by several goroutines at once. Default: slog.ErrorContext.
	OnIncident func(Incident)
	// Limits bound what a tenant's request may take. Default: as its fields say.
	Limits Limits
	// LimitsFor gives tenants limits of their own; fields that it leaves zero are those of Limits. It is called on every
	// request, by many goroutines at once, so it must be quick and ask nobody.
	LimitsFor func(tenant.ID) Limits

	// StickyScope keeps the tenant's setting in a session while its requests are all of one tenant, which saves a part of each;
	// it is for processes that serve one tenant at a time. Direct connections only. Default: off; see docs/scale.md for what it gives up.
	StickyScope bool

	citus bool   // found by Open
	path  string // of a Directory's place; see searchPath
}

// withDefaults fills what was left zero.
func (c Config) withDefaults() Config {
	positive(&c.MaxConns, 10)
	positive(&c.MaxConnLifetime, time.Hour)
	positive(&c.MaxConnIdleTime, 30*time.Minute)
	positive(&c.AcquireTimeout, 5*time.Second)
	positive(&c.ConnectTimeout, 10*time.Second)
	positive(&c.PingAfter, time.Second)
	positive(&c.StatementCache, 512)
	positive(&c.LoaderConns, 2)
	positive(&c.Limits.MaxWait, c.AcquireTimeout)
	if c.CheckEvery == 0 {
		c.CheckEvery = defaultCheckEvery
	}
	c.MinConns = max(0, min(c.MinConns, c.MaxConns))
	return c
}

func positive[T int | time.Duration](value *T, otherwise T) {
	if *value <= 0 {
		*value = otherwise
	}
}
