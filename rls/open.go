package rls

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/query"
)

// pinned are the settings that every connection starts with. They outrank what ALTER ROLE and ALTER DATABASE say, and
// no statement can change them later: SET is not a statement of package query, and the prover refuses set_config. So
// they are not asked for again.
var pinned = map[string]string{
	"standard_conforming_strings": "on",                          // the prover reads strings by the standard
	"search_path":                 "pg_catalog, public, pg_temp", // names mean what the prover took them for; temporary ones last (Q14)
	"row_security":                "on",
	"transform_null_equals":       "off", // "tenant_id = NULL" must stay NULL
	"client_encoding":             "UTF8",
	"quote_all_identifiers":       "off", // Open compares policies by their printed text
}

// harmlessSettings may stand in a URL: they concern the session, and neither its meaning nor its rights.
var harmlessSettings = map[string]bool{
	"application_name": true, "fallback_application_name": true, "timezone": true,
	"statement_timeout": true, "lock_timeout": true, "idle_in_transaction_session_timeout": true,
	"idle_session_timeout": true, "transaction_timeout": true,
	"tcp_keepalives_idle": true, "tcp_keepalives_interval": true, "tcp_keepalives_count": true, "tcp_user_timeout": true,
}

// Open connects, inspects the login and every relation of the catalog on the live database, and gives a DB only when
// nothing stands against it. Otherwise the error is an [*OpenError] with every reason. Another error means that the
// database could not be inspected: ErrOptions, ErrUnavailable, or what the server said. Ctx bounds the opening, not the
// life of the DB.
//
// With a Directory nothing is connected to: each place is inspected with its first connection, and the *OpenError is
// that request's.
func Open(ctx context.Context, cfg Config, catalog *query.Catalog) (*DB, error) {
	if catalog == nil {
		return nil, refuse("Open", nil, ErrOptions, errors.New("the catalog is nil"))
	}
	cfg = cfg.withDefaults()
	if cfg.Directory != nil && cfg.LoaderURL != "" {
		return nil, refuse("Open", nil, ErrOptions, errors.New("Config.LoaderURL is not for a Directory, with which CopyIn runs by the login of each tenant's place; leave it empty"))
	}
	if cfg.Directory != nil {
		return openTiers(cfg, catalog)
	}
	pool, reasons, err := poolConfig(cfg)
	if err != nil {
		return nil, err
	}
	if cannotConnect(reasons) {
		return nil, &OpenError{Reasons: reasons}
	}
	found, err := inspectLive(ctx, pool.ConnConfig, &cfg, catalog)
	if err != nil {
		return nil, fail("Open", nil, err)
	}
	reasons = append(reasons, found...)
	var loader router
	if cfg.LoaderURL != "" {
		var wrong []Reason
		if loader, wrong, err = openLoader(ctx, cfg, catalog); err != nil {
			return nil, fail("Open", nil, err)
		}
		reasons = append(reasons, wrong...)
	}
	if len(reasons) > 0 {
		if loader != nil {
			loader.close()
		}
		return nil, &OpenError{Reasons: sortReasons(reasons)}
	}
	startSessions(pool, cfg)
	shared, err := pgxpool.NewWithConfig(ctx, pool)
	if err != nil {
		if loader != nil {
			loader.close()
		}
		return nil, fail("Open", nil, err)
	}
	return &DB{catalog: catalog, config: cfg, router: onePool{shared}, loader: loader, admission: newAdmission(cfg.MaxConns)}, nil
}

// poolConfig reads the URL, finds what is wrong with it, and pins the session.
func poolConfig(cfg Config) (*pgxpool.Config, []Reason, error) {
	if cfg.URL == "" {
		return nil, nil, refuse("Open", nil, ErrOptions, errors.New("Config.URL is empty"))
	}
	if cfg.StickyScope && cfg.LimitsFor != nil {
		return nil, nil, refuse("Open", nil, ErrOptions, errors.New("Config.StickyScope leaves out what Config.LimitsFor has to send"))
	}
	if !cfg.Pooler.known() {
		return nil, nil, refuse("Open", nil, ErrOptions, errors.New("Config.Pooler is not one of the package's constants"))
	}
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, nil, refuse("Open", nil, ErrOptions, errors.New("Config.URL can't be read as a PostgreSQL URL or keyword string"))
	}
	conn := pool.ConnConfig
	reasons := inspectURL(conn)
	maps.DeleteFunc(conn.RuntimeParams, func(name, _ string) bool { return !harmlessSettings[strings.ToLower(name)] })
	maps.Copy(conn.RuntimeParams, pinned)
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "septum"
	}
	conn.ConnectTimeout = cfg.ConnectTimeout
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec // for the inspection alone; statements go by their own way
	conn.StatementCacheCapacity, conn.DescriptionCacheCapacity = 0, 0
	pool.MaxConns, pool.MinConns = int32(cfg.MaxConns), int32(cfg.MinConns)
	pool.MinIdleConns = 0
	pool.MaxConnLifetime, pool.MaxConnLifetimeJitter = cfg.MaxConnLifetime, cfg.MaxConnLifetime/10
	pool.MaxConnIdleTime = cfg.MaxConnIdleTime
	pool.PingTimeout = cfg.ConnectTimeout
	pool.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > cfg.PingAfter }
	startSessions(pool, cfg)
	return pool, reasons, nil
}

// startSessions has each new connection of the pool readied for what it leads to.
func startSessions(pool *pgxpool.Config, cfg Config) {
	maps.Copy(pool.ConnConfig.RuntimeParams, cfg.timeouts())
	if cfg.Pooler.between() {
		pool.ConnConfig.RuntimeParams, _ = pooledParams(pool.ConnConfig.RuntimeParams)
	}
	pool.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return admitConn(ctx, conn, cfg) }
}

// inspectURL finds what a URL may not say.
func inspectURL(conn *pgx.ConnConfig) []Reason {
	var reasons []Reason
	for name := range conn.RuntimeParams {
		if !harmlessSettings[strings.ToLower(name)] {
			reasons = append(reasons, Reason{Code: URLSetting, Object: name,
				Why: "the URL or its environment sets a session parameter", Do: "remove it; Septum pins what the proofs rely on"})
		}
	}
	if conn.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		reasons = append(reasons, Reason{Code: URLSimpleProtocol, Object: "default_query_exec_mode",
			Why: "the simple protocol puts arguments into SQL text", Do: "remove default_query_exec_mode from the URL"})
	}
	hosts := []struct {
		host string
		tls  *tls.Config
	}{{conn.Host, conn.TLSConfig}}
	for _, f := range conn.Fallbacks {
		hosts = append(hosts, struct {
			host string
			tls  *tls.Config
		}{f.Host, f.TLSConfig})
	}
	for _, h := range hosts {
		if h.tls == nil && !isLocalHost(h.host) {
			reasons = append(reasons, unencrypted(h.host))
			break
		}
	}
	return sortReasons(reasons)
}

func unencrypted(host string) Reason {
	return Reason{Code: ConnectionPlain, Object: host,
		Why: "the connection could be made without encryption, and the server is not on this machine",
		Do:  "use sslmode=verify-full in the URL"}
}

// cannotConnect reports that connecting would send a password where it does not belong.
func cannotConnect(reasons []Reason) bool {
	for _, r := range reasons {
		if r.Code == ConnectionPlain {
			return true
		}
	}
	return false
}

func isLocalHost(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true // localhost is looked at again when it is connected to
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// isPrivate looks at a live connection: encrypted, or to this machine.
func isPrivate(conn net.Conn) bool {
	if _, encrypted := conn.(*tls.Conn); encrypted {
		return true
	}
	switch addr := conn.RemoteAddr().(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return addr.IP.IsLoopback()
	}
	return false
}

// inspectLive inspects the database on a connection of its own, whose state no later request will see, and writes into cfg
// what connections lead to.
func inspectLive(ctx context.Context, config *pgx.ConnConfig, cfg *Config, catalog *query.Catalog) ([]Reason, error) {
	patient := config.Copy() // a statement of the inspection may take longer than a tenant's
	for name := range cfg.timeouts() {
		patient.RuntimeParams[name] = "0"
	}
	conn, err := connectOrPooled(ctx, patient, cfg.Pooler)
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if !isPrivate(conn.PgConn().Conn()) {
		return []Reason{unencrypted(config.Host)}, nil
	}
	pooler, reasons, err := inspectPooler(ctx, conn, *cfg, config.RuntimeParams)
	if err != nil || len(reasons) > 0 {
		return reasons, err
	}
	cfg.Pooler = pooler
	if err := loadTypes(ctx, conn, *cfg); err != nil {
		return nil, err
	}
	p := newPosture(ctx, conn, *cfg)
	if p.citus, err = distributions(ctx, conn); err != nil {
		return nil, err
	}
	cfg.citus = spreads(p.citus)
	if cfg.StickyScope && (cfg.citus || cfg.Pooler.between()) {
		p.add(StickyScope, "Config.StickyScope", "sessions are not the DB's own behind a pooler or on Citus", "leave it off")
	}
	return p.look(catalog)
}

// admitConn readies a new connection for the pool. A failover or a change of DNS can lead it to another server than the one
// that Open inspected, so what can be known without asking is checked again.
func admitConn(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	pg := conn.PgConn()
	if !isPrivate(pg.Conn()) {
		return refuse("connect", nil, ErrUnavailable, errors.New("the connection is not encrypted"))
	}
	if pg.ParameterStatus("is_superuser") == "on" || pg.ParameterStatus("standard_conforming_strings") != "on" {
		return refuse("connect", nil, ErrUnavailable, errors.New("the session is not the one that was inspected; open the database again"))
	}
	if !cfg.Pooler.between() { // a pooler that came in between later would mix up sessions
		if found, err := isDirect(ctx, pg); err != nil {
			return err
		} else if !found {
			return refuse("connect", nil, ErrUnavailable, errors.New("there is a pooler now that Open did not find; open the database again"))
		}
	}
	if err := loadTypes(ctx, conn, cfg); err != nil {
		return err
	}
	_, err := newSession(ctx, conn, cfg)
	return err
}

// loadTypes teaches a connection the types of Config.
func loadTypes(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	if cfg.TypeMap != nil {
		cfg.TypeMap(conn.TypeMap())
	}
	if len(cfg.Types) == 0 {
		return nil
	}
	types, err := conn.LoadTypes(ctx, cfg.Types)
	if err != nil {
		return err
	}
	conn.TypeMap().RegisterTypes(types)
	for _, name := range cfg.Types {
		if _, ok := conn.TypeMap().TypeForName(name); !ok {
			return refuse("Open", nil, ErrOptions, errors.New("Config.Types names "+name+", which the database does not have"))
		}
	}
	return nil
}
