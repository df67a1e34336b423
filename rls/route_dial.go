package rls

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/tenant"
)

// dial makes a connection of a place, and gives it away only when the place was inspected and the connection is the
// right login in the right schema.
func (t *tiers) dial(ctx context.Context, at place, id tenant.ID) (*pgx.Conn, error) {
	ask := CredentialRequest{Target: at.target, Login: at.login, Tenant: at.tenant}
	conn, err := t.login(ctx, at, ask)
	if isWrongPassword(err) {
		ask.Again = true // it was changed since the credentials were cached
		if conn, err = t.login(ctx, at, ask); isWrongPassword(err) {
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
	if err := t.inspect(ctx, conn, at, id); err != nil {
		return nil, err
	}
	if err := admitConn(ctx, conn, t.config); err != nil {
		return nil, err
	}
	if !at.tenant.IsZero() {
		sess := sessionOf(conn)
		sess.strayed = func(err error) (bool, error) { return t.strayed(at, err) }
		if err := sess.settle(ctx, at, t.config); err != nil {
			return nil, err
		}
	}
	good = true
	return conn, nil
}

// settle puts the session of a connection that is one tenant's alone into its scope, for good: there the scope need not
// travel with each statement. Nothing is left behind by it for anybody else (threat X05), since nobody else ever gets the
// connection; a request with another scope is refused before it is sent. On shared tables it is done only where the policies
// don't read the setting.
func (s *session) settle(ctx context.Context, at place, cfg Config) error {
	if at.tier == TierPool && cfg.TenantFrom == FromSetting || s.citus || len(s.out.bindScope.Parameters) != 1 {
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

// login connects with the credentials of the moment.
func (t *tiers) login(ctx context.Context, at place, ask CredentialRequest) (*pgx.Conn, error) {
	cred, err := t.config.Credentials.Credential(ctx, ask)
	if err != nil {
		return nil, because{ErrCredentials, unsaid{err}}
	}
	config, err := t.connConfig(cred, at)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
}

// unsaid is an error of the application's Credentials. Its text could hold what must not be told.
type unsaid struct{ err error }

// Error implements error.
func (unsaid) Error() string { return "the credentials could not be had" }

// Unwrap gives the error itself.
func (u unsaid) Unwrap() error { return u.err }

// connConfig pins the session as Open does, and besides that the login and the schema: since a place's connections never
// change their place, the same statements mean the same tables of another schema.
func (t *tiers) connConfig(cred Credential, at place) (*pgx.ConnConfig, error) {
	cfg := t.config
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
	maps.Copy(config.RuntimeParams, map[string]string{"search_path": searchPath(at.schema)})
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

func isWrongPassword(err error) bool {
	pg := serverError(err)
	return pg != nil && pg.Code == "28P01"
}

// check is what is known of a place. Its channel holds one token, for who inspects.
type check struct {
	token chan struct{}
	good  bool
	asked time.Time // when it was inspected; guarded by tiers.checking
	wrong error     // what the last inspection found,
	until time.Time // and until when nobody looks again
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

// inspect does for a place what Open does for a database, with its first connection; each further one is asked two
// things in one round trip.
func (t *tiers) inspect(ctx context.Context, conn *pgx.Conn, at place, id tenant.ID) error {
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
		<-c.token
		return t.recheck(ctx, conn, at)
	}
	defer func() { <-c.token }()
	if t.now().Before(c.until) {
		return c.wrong
	}
	p := newPosture(ctx, conn, t.config)
	p.place = at
	if at.schema != "public" {
		p.schema = at.schema
	}
	if at.login != "" {
		p.appRole = "" // the login's own
	}
	reasons, err := p.look(t.catalog)
	if err != nil {
		return err
	}
	own, err := p.ownPlace(t.catalog, id)
	if err != nil {
		return err
	}
	if reasons = sortReasons(append(reasons, own...)); len(reasons) > 0 {
		c.wrong, c.until = &OpenError{Reasons: reasons}, t.now().Add(t.resolver.config.UnknownTTL)
		return c.wrong
	}
	t.checking.Lock()
	c.good, c.asked = true, t.now()
	t.checking.Unlock()
	return nil
}

// recheck makes sure that the connection is the place's login, and that every tenant relation is the schema's.
func (t *tiers) recheck(ctx context.Context, conn *pgx.Conn, at place) error {
	var login string
	var strays []string
	err := conn.QueryRow(ctx, placeSQL, tenantTables(t.catalog), at.schema).Scan(&login, &strays)
	if err != nil {
		return err
	}
	if reasons := placeReasons(at, login, strays); len(reasons) > 0 {
		t.distrust(at)
		return &OpenError{Reasons: sortReasons(reasons)}
	}
	return nil
}
