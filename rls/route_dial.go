package rls

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/tenant"
)

// dial makes a connection of a place, and gives it away only when the place was inspected and the connection is the
// right login in the right schema.
func (t *tiers) dial(ctx context.Context, at place, id tenant.ID) (*pgx.Conn, error) {
	ask := CredentialRequest{Target: at.target, Login: at.login, Tenant: at.tenant}
	cfg := t.configOf(at)
	conn, params, err := t.login(ctx, at, ask, cfg)
	if isWrongPassword(err) {
		ask.Again = true // it was changed since the credentials were cached
		if conn, params, err = t.login(ctx, at, ask, cfg); isWrongPassword(err) {
			err = because{ErrCredentials, err}
		}
	}
	if err != nil {
		return nil, err
	}
	good := false
	defer func() {
		if !good { // also when the application's TypeMap panics
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			_ = conn.Close(ctx)
		}
	}()
	if err := t.inspect(ctx, conn, &cfg, at, id, params); err != nil {
		return nil, err
	}
	if err := admitConn(ctx, conn, cfg); err != nil {
		t.distrust(at) // there may be a pooler now where there was none
		return nil, err
	}
	if !at.tenant.IsZero() {
		sess := sessionOf(conn)
		sess.strayed = func(err error) (bool, error) { return t.strayed(at, err) }
		if err := sess.settle(ctx, at, cfg); err != nil {
			return nil, err
		}
	}
	good = true
	return conn, nil
}

// settle puts the session of a connection that is one tenant's alone into its scope, for good: there the scope need not
// travel with each statement. Nothing is left behind by it for anybody else (threat X05), since nobody else ever gets the
// connection; a request with another scope is refused before it is sent. On shared tables it is done only where the policies
// don't read the setting, and never behind a pooler, where the session is not ours.
func (s *session) settle(ctx context.Context, at place, cfg Config) error {
	if at.tier == TierPool && cfg.TenantFrom == FromSetting || s.citus || s.pooler.between() || len(s.out.bindScope.Parameters) != 1 {
		return nil
	}
	scope := at.tenant.String()
	result := s.pg.ExecParams(ctx, "select pg_catalog.set_config('"+Setting+"', $1, false)", [][]byte{[]byte(scope)}, nil, nil, nil).Read()
	if result.Err != nil {
		return result.Err
	}
	if len(result.Rows) != 1 || string(result.Rows[0][0]) != scope {
		return errOutOfStep
	}
	s.own = scope
	return nil
}

// configOf is the DB's Config for a place, with what was found out about the place before.
func (t *tiers) configOf(at place) Config {
	cfg := t.config
	cfg.path = searchPath(at.schema)
	t.checking.Lock()
	defer t.checking.Unlock()
	if c := t.checks[at]; c != nil && c.good {
		cfg.Pooler, cfg.citus = c.pooler, c.citus
	}
	return cfg
}

// login connects with the credentials of the moment. Params are the startup parameters that were wanted.
func (t *tiers) login(ctx context.Context, at place, ask CredentialRequest, cfg Config) (conn *pgx.Conn, params map[string]string, err error) {
	cred, err := t.config.Credentials.Credential(ctx, ask)
	if err != nil {
		return nil, nil, because{ErrCredentials, unsaid{err}}
	}
	config, err := connConfig(cfg, cred, at)
	if err != nil {
		return nil, nil, err
	}
	conn, err = connectOrPooled(ctx, config, cfg.Pooler)
	return conn, config.RuntimeParams, err
}

// unsaid is an error of the application's Credentials. Its text could hold what must not be told.
type unsaid struct{ err error }

// Error implements error.
func (unsaid) Error() string { return "the credentials could not be had" }

// Unwrap gives the error itself.
func (u unsaid) Unwrap() error { return u.err }

// connConfig pins the session as Open does, and besides that the login and the schema: since a place's connections never
// change their place, the same statements mean the same tables of another schema.
func connConfig(cfg Config, cred Credential, at place) (*pgx.ConnConfig, error) {
	cfg.URL = cred.URL
	pool, reasons, err := poolConfig(cfg)
	if err != nil {
		return nil, because{ErrCredentials, errors.New("the target's URL can't be read as a PostgreSQL URL or keyword string")}
	}
	if len(reasons) > 0 {
		return nil, &OpenError{Reasons: reasons}
	}
	config := pool.ConnConfig
	if at.login != "" && at.login != config.User {
		config.User, config.Password = at.login, "" // the URL's password is another login's
	}
	if cred.Password != "" {
		config.Password = cred.Password
	}
	if !cfg.Pooler.between() {
		config.RuntimeParams["search_path"] = searchPath(at.schema)
	}
	return config, nil
}

// searchPath has unqualified names mean the schema's tables. Public comes after it, for globals and extensions that all
// share, and temporary tables last (Q14).
func searchPath(schema string) string {
	if schema == "public" {
		return pinned["search_path"]
	}
	return "pg_catalog, " + quoteName(schema) + ", public, pg_temp"
}

// isWrongPassword knows the server's words for it, and PgBouncer's, which has no code for it before 1.21.
func isWrongPassword(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "28P01" || pg.Code == "08P01" &&
		(strings.Contains(pg.Message, "authentication failed") || strings.HasPrefix(pg.Message, "no such user")))
}

// check is what is known of a place. Its channel holds one token, for who inspects.
type check struct {
	token chan struct{}
	// What was found, written with the token and under tiers.checking.
	good   bool
	pooler Pooler
	citus  bool
	asked  time.Time // when it was inspected
	wrong  error     // what the last inspection found,
	until  time.Time // and until when nobody looks again
}

// checkOf gives the check of a place.
func (t *tiers) checkOf(at place) *check {
	t.checking.Lock()
	defer t.checking.Unlock()
	c := t.checks[at]
	if c == nil {
		c = &check{token: make(chan struct{}, 1)}
		makeRoom(t.checks, t.resolver.config.Size)
		t.checks[at] = c
	}
	return c
}

// distrust has the place's next connection inspect it again.
func (t *tiers) distrust(at place) {
	t.checking.Lock()
	delete(t.checks, at)
	t.checking.Unlock()
}

// doubts is distrust when the last inspection is older than a moment, so that an error that comes with each request
// doesn't have each request connect and inspect.
func (t *tiers) doubts(at place) bool {
	t.checking.Lock()
	defer t.checking.Unlock()
	c := t.checks[at]
	if c != nil && t.now().Sub(c.asked) < t.resolver.config.UnknownTTL {
		return false
	}
	delete(t.checks, at)
	return true
}

// inspect does for a place what Open does for a database, with its first connection, and writes into cfg what the place turned
// out to be; each further connection is asked two things in one round trip. Params are the startup parameters that were wanted.
func (t *tiers) inspect(ctx context.Context, conn *pgx.Conn, cfg *Config, at place, id tenant.ID, params map[string]string) error {
	if !isPrivate(conn.PgConn().Conn()) {
		return &OpenError{Reasons: []Reason{unencrypted(at.target)}}
	}
	c := t.checkOf(at)
	select {
	case c.token <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.good {
		cfg.Pooler, cfg.citus = c.pooler, c.citus
		<-c.token
		return t.recheck(ctx, conn, cfg.Pooler, at)
	}
	defer func() { <-c.token }()
	if t.now().Before(c.until) {
		return c.wrong
	}
	reasons, err := t.examine(ctx, conn, cfg, at, id, params)
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		c.wrong, c.until = &OpenError{Reasons: sortReasons(reasons)}, t.now().Add(t.resolver.config.UnknownTTL)
		return c.wrong
	}
	t.checking.Lock()
	c.good, c.asked, c.pooler, c.citus = true, t.now(), cfg.Pooler, cfg.citus
	t.checking.Unlock()
	return nil
}

// examine takes every look at a place.
func (t *tiers) examine(ctx context.Context, conn *pgx.Conn, cfg *Config, at place, id tenant.ID, params map[string]string) ([]Reason, error) {
	pooler, reasons, err := inspectPooler(ctx, conn, *cfg, params)
	if err != nil || len(reasons) > 0 {
		return reasons, err
	}
	cfg.Pooler = pooler
	p := newPosture(ctx, conn, *cfg)
	p.place = at
	if at.schema != "public" {
		p.schema = at.schema
	}
	if at.login != "" {
		p.appRole = "" // the login's own
	}
	if p.citus, err = distributions(ctx, conn); err != nil {
		return nil, err
	}
	cfg.citus = spreads(p.citus)
	p.sessions(*cfg)
	if reasons, err = p.look(t.catalog); err != nil {
		return nil, err
	}
	own, err := p.ownPlace(t.catalog, id)
	return append(reasons, own...), err
}

// sessions looks for what the place's kind of session can't do.
func (p *posture) sessions(cfg Config) {
	if cfg.StickyScope && (cfg.citus || cfg.Pooler.between()) {
		p.add(StickyScope, "Config.StickyScope", "sessions are not the DB's own behind a pooler or on Citus", "leave it off")
	}
	if cfg.citus && (p.place.tier == TierBridge || cfg.TenantFrom == FromLogin) {
		p.add(CitusTier, p.place.target, "on Citus tenants share tables, whose policies read the setting", "use the pool tier there, and FromSetting")
	}
}

// recheck makes sure that the connection is the place's login, and that every tenant relation is the schema's.
func (t *tiers) recheck(ctx context.Context, conn *pgx.Conn, pooler Pooler, at place) error {
	login, strays, err := askPlace(ctx, conn, pooler, tenantTables(t.catalog), at.schema)
	if err != nil {
		return err
	}
	if reasons := placeReasons(at, login, strays); len(reasons) > 0 {
		t.distrust(at)
		return &OpenError{Reasons: sortReasons(reasons)}
	}
	return nil
}
