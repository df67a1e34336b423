package blob

import (
	"crypto/rand"
	"log/slog"
	"reflect"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Scope says among whom equal content is stored once.
type Scope uint8

const (
	// PerTenant stores equal content once per tenant. It is the default, and the only scope in which erasing a tenant's
	// key shreds its content.
	PerTenant Scope = iota
	// Global stores equal content once for all tenants. Each has its own reference, name and row, and can't tell that
	// others have the content. It gives up: keys per tenant (one key of the server seals everything), cryptographic
	// erasure, and the certainty that nobody learns from the storage's total size what was stored before.
	Global
)

// Config says where blobs are kept. DB and Driver are required; New never changes the caller's copy.
type Config struct {
	// DB is the application's database, opened with a catalog that has Relations.
	DB *rls.DB
	// Driver keeps the bytes: fsblob, s3blob, or one of yours that passes package blobtest. One driver's storage belongs to
	// one database's Store, as a sweep deletes what that database does not know.
	Driver Driver
	// Scope says among whom equal content is stored once. Default: PerTenant.
	Scope Scope
	// Keys wraps the data keys that content is sealed with. Default: none; then each object is sealed with a key of its
	// own, which stands in the database: the storage alone can't be read, and nothing can be shredded by a key.
	Keys Keys
	// KeyLife is how long an unwrapped data key is kept in memory. Default: 1 minute.
	KeyLife time.Duration
	// Plain stores content as it is, for Link and for other readers of the storage. Then changed bytes are found by the
	// hash alone, at the end of a blob, and a read that begins elsewhere has to read the whole blob first.
	Plain bool
	// Links is how long a link that Store.Link makes works, at most MaxLink. It needs Plain, scope PerTenant (with Global
	// the address of the object would tell that two tenants share it) and a driver that is a Linker. Default: no links.
	Links time.Duration
	// Quota is every tenant's quota, unless QuotaOf is set, which says it for each. Default: no bounds.
	Quota   Quota
	QuotaOf func(tenant.ID) Quota
	// Grace is how long an upload may take, and how long a sweep leaves bytes alone that nothing refers to. Default: 24
	// hours. All processes need the same.
	Grace time.Duration
	// Sealer seals the tokens of List. Default: a secret of this process, so that a token is of no use to another one.
	Sealer *query.Sealer
}

// Store keeps blobs for tenants. Make it with New. It is safe for concurrent use, and by many processes on one database
// and storage. It needs no closing: the DB and the driver are the caller's.
type Store struct {
	config     Config
	db         *rls.DB
	driver     Driver
	statements *statements
	ring       *ring
}

// New checks the configuration and proves the Store's statements. The error is ErrConfig, or a *query.Refusal.
func New(c Config) (*Store, error) {
	if c.DB == nil || isNil(c.Driver) {
		return nil, refuse("New", ErrConfig, "DB and Driver are required")
	}
	if c.Scope > Global {
		return nil, refuse("New", ErrConfig, "Scope is PerTenant or Global")
	}
	if c.Plain && c.Keys != nil {
		return nil, refuse("New", ErrConfig, "Plain content has no use for Keys")
	}
	if _, ok := c.Driver.(Linker); c.Links != 0 && (!c.Plain || c.Scope != PerTenant || !ok || c.Links < 0 || c.Links > MaxLink) {
		return nil, refuse("New", ErrConfig, "Links is at most an hour, and needs Plain, scope PerTenant and a driver that can make links")
	}
	if c.Quota.negative() {
		return nil, refuse("New", ErrConfig, "Quota has a negative field; 0 is no bound")
	}
	if c.Grace < 0 || c.KeyLife < 0 {
		return nil, refuse("New", ErrConfig, "Grace and KeyLife are not negative")
	}
	if _, err := declared(c.DB.Catalog()); err != nil {
		return nil, err
	}
	if c.Grace == 0 {
		c.Grace = 24 * time.Hour
	}
	if c.KeyLife == 0 {
		c.KeyLife = time.Minute
	}
	if c.Sealer == nil {
		var secret [32]byte
		_, _ = rand.Read(secret[:])
		sealer, err := query.NewSealer(secret[:])
		if err != nil {
			return nil, fail("New", ErrConfig, err)
		}
		c.Sealer = sealer
	}
	s := &Store{config: c, db: c.DB, driver: c.Driver}
	if c.Keys != nil {
		s.ring = newRing(c.Keys, c.KeyLife)
	}
	var err error
	if s.statements, err = newStatements(c.DB.Catalog()); err != nil {
		return nil, fail("New", ErrConfig, err)
	}
	return s, nil
}

// isNil also knows a nil pointer in the interface, which would panic at its first use.
func isNil(d Driver) bool {
	v := reflect.ValueOf(d)
	return d == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// LogValue implements slog.LogValuer, so that a Store printed by mistake shows no configuration.
func (s *Store) LogValue() slog.Value { return slog.StringValue("blob.Store") }

// one runs a statement that gives one row.
func one[T any](s *Store, tc tenant.Context, op string, stmt *query.Statement, args ...any) (T, error) {
	row, err := rls.One[T](tc, s.db, stmt, args...)
	return row, fromDB(op, err)
}

// fromDB passes errors of the database on, under this package's name.
func fromDB(op string, err error) error {
	if err == nil {
		return nil
	}
	return fail(op, nil, err)
}
