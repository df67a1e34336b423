package rls

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// QueryUnproved sends text past walls one and two, to see the third one alone.
func (db *DB) QueryUnproved(tc tenant.Context, sql string, values ...any) (pgx.Rows, error) {
	scope, err := scopeOf(tc)
	if err != nil {
		return nil, err
	}
	r := &rows{op: "QueryUnproved", write: true}
	if err := db.send(tc, scope, shape{id: sql[:min(len(sql), 40)], sql: sql}, values, r); err != nil {
		return failedRows(err), err
	}
	return r, nil
}

// QueryUnproved is DB.QueryUnproved in the transaction.
func (tx *Tx) QueryUnproved(tc tenant.Context, sql string, values ...any) (pgx.Rows, error) {
	r := &rows{op: "QueryUnproved", tx: tx}
	if err := tx.send(tc, shape{id: sql[:min(len(sql), 40)], sql: sql}, values, r); err != nil {
		return failedRows(err), err
	}
	return r, nil
}

// OpenUnchecked is Open without the inspection.
func OpenUnchecked(ctx context.Context, cfg Config, catalog *query.Catalog) (*DB, error) {
	cfg = cfg.withDefaults()
	pool, _, err := poolConfig(cfg)
	if err != nil {
		return nil, err
	}
	db := &DB{catalog: catalog, config: cfg}
	db.pool, err = pgxpool.NewWithConfig(ctx, pool)
	return db, err
}

// Predicate is the text of a relation's policies.
func Predicate(r query.Relation) string { return predicateOf(r) }
