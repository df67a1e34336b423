package rls_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// town is a database in which tenants of all tiers live: the hospitals mary and paul in shared tables, others in schemas
// of their own. Its passwords are those that Credentials know.
type town struct {
	*rlstest.Database
	admin     *pgx.Conn
	ownerURL  string
	directory *board

	mu        sync.Mutex
	passwords map[string]string // by login
	asked     []rls.CredentialRequest
}

// board is a Directory that tests write on, and that can be out of order.
type board struct {
	mu      sync.Mutex
	entries map[tenant.ID]rls.Entry
	down    error
	hold    chan struct{} // when set, Resolve waits until it is closed
	asked   map[tenant.ID]int
}

func newBoard() *board { return &board{entries: map[tenant.ID]rls.Entry{}, asked: map[tenant.ID]int{}} }

func (b *board) put(id tenant.ID, e rls.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.Version = b.entries[id].Version + 1
	b.entries[id] = e
}

func (b *board) change(id tenant.ID, change func(*rls.Entry)) {
	b.mu.Lock()
	e := b.entries[id]
	b.mu.Unlock()
	change(&e)
	b.put(id, e)
}

func (b *board) remove(id tenant.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.entries, id)
}

func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

func (b *board) questions(id tenant.ID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[id]
}

// Resolve implements rls.Directory.
func (b *board) Resolve(ctx context.Context, id tenant.ID) (rls.Entry, error) {
	b.mu.Lock()
	b.asked[id]++
	e, known := b.entries[id]
	down, hold := b.down, b.hold
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return rls.Entry{}, ctx.Err()
		}
	}
	switch {
	case down != nil:
		return rls.Entry{}, down
	case !known:
		return rls.Entry{}, rls.ErrUnknownTenant
	}
	return e, nil
}

// newTown makes the town, with its shared tables under policies of the setting.
func newTown(t testing.TB) *town {
	t.Helper()
	// Registered first, so that it runs last: roles can go when the database is gone.
	var suffix string
	t.Cleanup(func() { dropLogins(t, suffix) })
	w := &town{
		Database:  rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(hospitalSeed), rlstest.Catalog(hospital)),
		directory: newBoard(), passwords: map[string]string{},
	}
	suffix = loginSuffix(w.Name)
	var owner string
	owner, w.ownerURL = w.Login(t, "CREATEROLE")
	w.admin = w.Admin(t)
	w.exec(t, fmt.Sprintf("grant create, connect on database %s to %s with grant option", w.Name, owner))
	// The schema's rights are tenants' to get from the owner.
	w.exec(t, fmt.Sprintf("grant usage, create on schema public to %s with grant option", owner))
	w.exec(t, fmt.Sprintf("grant select on codes to %s with grant option", owner))
	w.exec(t, fmt.Sprintf("alter table codes owner to %s; alter table settings owner to %s", owner, owner))
	w.directory.put(mary, rls.Entry{Tier: rls.TierPool, Target: "main"})
	w.directory.put(paul, rls.Entry{Tier: rls.TierPool, Target: "main"})
	return w
}

// loginSuffix ends the names of all logins that Septum made for a database.
func loginSuffix(database string) string {
	sum := sha256.Sum256([]byte(database))
	return "_" + hex.EncodeToString(sum[:6])
}

// dropLogins drops the roles that were made for tenants of one database.
func dropLogins(t testing.TB, suffix string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := pgtest.Shared()
	require.NoError(t, err)
	conn, err := pgx.Connect(ctx, server.URL())
	require.NoError(t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `select rolname from pg_roles where right(rolname, 13) = $1`, suffix)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, name := range names {
		_, err := conn.Exec(ctx, "drop role "+pgx.Identifier{name}.Sanitize())
		require.NoError(t, err)
	}
}

func (w *town) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := w.admin.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

// Credential implements rls.Credentials for the application.
func (w *town) Credential(_ context.Context, ask rls.CredentialRequest) (rls.Credential, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, ask)
	return rls.Credential{URL: w.AppURL, Password: w.passwords[ask.Login]}, nil
}

// owner are the Credentials of who provisions.
func (w *town) owner() rls.Credentials {
	return rls.CredentialsFunc(func(context.Context, rls.CredentialRequest) (rls.Credential, error) {
		return rls.Credential{URL: w.ownerURL}, nil
	})
}

// password makes up a login's password and remembers it.
func (w *town) password(_ context.Context, login string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passwords[login] = rls.NewPassword()
	return w.passwords[login], nil
}

var townMigrations = fstest.MapFS{
	"001_hospital.sql": {Data: []byte(hospitalSchema)},
}

func (w *town) provisioning(t testing.TB) rls.ProvisionOptions {
	t.Helper()
	files, err := rls.ReadMigrations(townMigrations)
	require.NoError(t, err)
	return rls.ProvisionOptions{Catalog: hospital, Migrations: files, Target: "main", Credentials: w.owner(), Password: w.password}
}

// settle makes a bridge tenant, with patients 1 to n of its name.
func (w *town) settle(t testing.TB, name string, n int) tenant.Context {
	t.Helper()
	id := townID(name)
	entry, err := rls.Provision(context.Background(), w.provisioning(t), id)
	require.NoError(t, err)
	w.directory.put(id, entry)
	w.exec(t, fmt.Sprintf("insert into %s.patients select $1::text::uuid, n, $2::text || ' ' || n from generate_series(1, $3::int) n",
		pgx.Identifier{entry.Schema}.Sanitize()), id.String(), name, n)
	return bind(t, context.Background(), id)
}

// townID makes a UUID of a name.
func townID(name string) tenant.ID {
	sum := sha256.Sum256([]byte(name))
	h := hex.EncodeToString(sum[:16])
	return tenant.MustParseID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}

func (w *town) open(t testing.TB, change ...func(*rls.Config)) *rls.DB {
	t.Helper()
	cfg := rls.Config{Directory: w.directory, Credentials: w, MaxConns: 4}
	for _, f := range change {
		f(&cfg)
	}
	db, err := rls.Open(context.Background(), cfg, hospital)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

func patientsOf(t testing.TB, db *rls.DB, tc tenant.Context) []string {
	t.Helper()
	found, err := rls.All[patient](tc, db, allPatients)
	require.NoError(t, err)
	var names []string
	for _, p := range found {
		names = append(names, p.Name)
	}
	return names
}
