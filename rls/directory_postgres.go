package rls

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/tenant"
)

// directoryVersion is the version of the directory's tables that this program works with.
const directoryVersion = 2

// PostgresDirectoryConfig says where the directory is.
type PostgresDirectoryConfig struct {
	// URL is a login that may read the directory and nothing else there, under the rules of [Config].URL. Required.
	URL string
	// MaxConns bounds the connections. Default: 2; a DB asks once per tenant and TTL.
	MaxConns int
	// PollEvery is how often Watch looks for changes. Default: 1 second.
	PollEvery time.Duration
}

// PostgresDirectory is a Directory in tables that [InstallDirectory] makes and [PutEntry] fills. It is a [Lister] and a
// [Watcher]. Safe for concurrent use.
type PostgresDirectory struct {
	pool *pgxpool.Pool
	poll time.Duration
}

var (
	_ Lister  = (*PostgresDirectory)(nil)
	_ Watcher = (*PostgresDirectory)(nil)
)

// OpenDirectory connects and makes sure that the tables are of a version that this program knows, and that the login
// can't write them: whoever can, sends tenants where he likes. Then it is an [*OpenError].
func OpenDirectory(ctx context.Context, cfg PostgresDirectoryConfig) (*PostgresDirectory, error) {
	positive(&cfg.MaxConns, 2)
	positive(&cfg.PollEvery, time.Second)
	pool, reasons, err := poolConfig(Config{URL: cfg.URL, MaxConns: cfg.MaxConns}.withDefaults())
	if err != nil {
		return nil, err
	}
	if len(reasons) > 0 {
		return nil, &OpenError{Reasons: reasons}
	}
	pool.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		if !isPrivate(conn.PgConn().Conn()) {
			return refuse("connect", nil, ErrUnavailable, errors.New("the connection is not encrypted"))
		}
		return nil
	}
	d := &PostgresDirectory{poll: cfg.PollEvery}
	if d.pool, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return nil, fail("OpenDirectory", nil, err)
	}
	if reasons, err = d.inspect(ctx); err != nil || len(reasons) > 0 {
		d.pool.Close()
		if err != nil {
			return nil, fail("OpenDirectory", nil, err)
		}
		return nil, &OpenError{Reasons: reasons}
	}
	return d, nil
}

// inspect looks at the version of the tables, and at who may write them.
func (d *PostgresDirectory) inspect(ctx context.Context) ([]Reason, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	var version int
	err = conn.QueryRow(ctx, "select version from septum_directory.version").Scan(&version)
	if isMissing(err) || isDenied(err) || errors.Is(err, pgx.ErrNoRows) {
		return []Reason{{Code: RelationMissing, Object: "septum_directory", Why: "the directory's tables are not there for this login",
			Do: "run rls.InstallDirectory as their owner, with the login's role as reader"}}, nil
	}
	if err != nil {
		return nil, err
	}
	if version != directoryVersion {
		return []Reason{{Code: RelationMissing, Object: "septum_directory", Why: "the directory's tables are of another version",
			Do: "run rls.InstallDirectory of this program's version"}}, nil
	}
	p := posture{ctx: ctx, conn: conn.Conn()}
	if err := errors.Join(p.role(), p.memberships()); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `select c.oid, c.relname::text, pg_has_role(session_user, c.relowner, 'MEMBER') or pg_has_role(session_user, n.nspowner, 'MEMBER')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'septum_directory' and c.relkind in ('r', 'p', 'v')`)
	if err != nil {
		return nil, err
	}
	type table struct {
		OID   uint32
		Name  string
		Owner bool
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return nil, err
	}
	var functions []string // of triggers: who owns one can have it write what he likes
	err = conn.QueryRow(ctx, `select array(select p.proname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where n.nspname = 'septum_directory' and pg_has_role(session_user, p.proowner, 'MEMBER') order by 1)`).Scan(&functions)
	if err != nil {
		return nil, err
	}
	for _, name := range functions {
		if !p.superuser {
			p.add(RoleOwner, "septum_directory."+name, "the login owns it, or can become the owner", "use a login that only reads")
		}
	}
	for _, t := range tables {
		if t.Owner && !p.superuser {
			p.add(RoleOwner, "septum_directory."+t.Name, "the login owns it or its schema, or can become the owner", "use a login that only reads")
		}
		if err := p.writers("septum_directory."+t.Name, t.OID, "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"); err != nil {
			return nil, err
		}
	}
	return sortReasons(p.reasons), nil
}

// Close ends the directory's connections. A DB that uses it is to be closed before.
func (d *PostgresDirectory) Close() { d.pool.Close() }

// Resolve implements Directory.
func (d *PostgresDirectory) Resolve(ctx context.Context, id tenant.ID) (Entry, error) {
	rows, err := d.pool.Query(ctx, `select tier, target, login, schema, status, version
		from septum_directory.tenants where tenant = $1`, id.String())
	if err != nil {
		return Entry{}, err
	}
	entry, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Entry])
	if errors.Is(err, pgx.ErrNoRows) {
		return Entry{}, ErrUnknownTenant
	}
	return entry, err
}

// listPage is how many tenants are listed by one question.
const listPage = 1000

// Tenants implements Lister, in the order of the ids' bytes.
func (d *PostgresDirectory) Tenants(ctx context.Context) iter.Seq2[tenant.ID, error] {
	return func(yield func(tenant.ID, error) bool) {
		after := ""
		for {
			rows, err := d.pool.Query(ctx, `select tenant from septum_directory.tenants
				where tenant > $1 and status <> 'erased' order by tenant limit $2`, after, listPage)
			var page []string
			if err == nil {
				page, err = pgx.CollectRows(rows, pgx.RowTo[string])
			}
			if err != nil {
				yield(tenant.ID{}, err)
				return
			}
			for _, text := range page {
				id, err := tenant.ParseID(text)
				if !yield(id, err) || err != nil {
					return
				}
			}
			if len(page) < listPage {
				return
			}
			after = page[len(page)-1]
		}
	}
}

// Watch implements Watcher: it asks for changes again and again, which works through poolers and replicas, where
// notifications don't.
func (d *PostgresDirectory) Watch(ctx context.Context, changed func(tenant.ID)) error {
	var last int64
	if err := d.pool.QueryRow(ctx, "select coalesce(max(revision), 0) from septum_directory.tenants").Scan(&last); err != nil {
		return err
	}
	changed(tenant.ID{}) // what came between the first answers and this moment
	ticker := time.NewTicker(d.poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		rows, err := d.pool.Query(ctx, "select tenant, revision from septum_directory.tenants where revision > $1 order by revision", last)
		if err != nil {
			return err
		}
		type change struct {
			Tenant   string
			Revision int64
		}
		changes, err := pgx.CollectRows(rows, pgx.RowToStructByName[change])
		if err != nil {
			return err
		}
		for _, c := range changes {
			id, err := tenant.ParseID(c.Tenant)
			if err != nil {
				return err
			}
			changed(id)
			last = c.Revision
		}
	}
}

// PutEntry writes a tenant's entry, on a connection of the directory's owner, and gives it with its new version. Its
// Version must be the one that was read, or 0 for a new tenant; otherwise somebody changed it in between, and it is
// tenant.ErrConflict. An erased tenant stays erased (threat L04), and two tenants never get one place.
func PutEntry(ctx context.Context, owner *pgx.Conn, id tenant.ID, entry Entry) (Entry, error) {
	if id.IsZero() {
		return Entry{}, refuse("PutEntry", nil, tenant.ErrInvalidID, nil)
	}
	if err := entry.check(); err != nil {
		return Entry{}, fail("PutEntry", nil, err)
	}
	if entry.Status == "" {
		entry.Status = StatusActive
	}
	args := []any{id.String(), entry.Tier, entry.Target, entry.Login, entry.Schema, entry.Status}
	sql := `insert into septum_directory.tenants (tenant, tier, target, login, schema, status) values ($1, $2, $3, $4, $5, $6)
		on conflict (tenant) do nothing returning version`
	if entry.Version != 0 {
		sql = `update septum_directory.tenants set tier = $2, target = $3, login = $4, schema = $5, status = $6
			where tenant = $1 and version = $7 returning version`
		args = append(args, entry.Version)
	}
	err := owner.QueryRow(ctx, sql, args...).Scan(&entry.Version)
	pg := serverError(err)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Entry{}, refuse("PutEntry", nil, tenant.ErrConflict, errors.New("the entry was changed in between"))
	case pg != nil && (pg.Code == "23505" || pg.Code == pgSilo):
		return Entry{}, refuse("PutEntry", nil, tenant.ErrConflict, errors.New("another tenant has that place"))
	case pg != nil && pg.Code == pgErased:
		return Entry{}, refuse("PutEntry", nil, ErrErased, nil)
	case err != nil:
		return Entry{}, fail("PutEntry", nil, err)
	}
	return entry, nil
}
