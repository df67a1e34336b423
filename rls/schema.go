package rls

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/internal/audit"
	"github.com/septum-go/septum/internal/livetype"
	"github.com/septum-go/septum/query"
)

// notSystem is the condition under which a schema n is not the server's own.
const notSystem = `not (n.nspname in ('pg_catalog', 'information_schema') or n.nspname like 'pg\_toast%' or n.nspname like 'pg\_temp\_%')`

// catalogName writes a relation's name as a query.Catalog does: without the schema public. The name of a table c in a schema n.
const catalogName = `case n.nspname when 'public' then '' else quote_ident(n.nspname) || '.' end || quote_ident(c.relname)`

// ReadSchema describes the tables and views of a database for [query.Inspect]. It reads PostgreSQL's catalogs and
// statistics and no rows, in one snapshot, and needs no rights but to connect. Septum's own tables are left out, but for
// septum_blob.blobs, which belongs into a catalog: the application must never get rights on what package blob keeps behind it.
// The connection must be in no transaction. The error is an [*Error], and with it the description is empty.
func ReadSchema(ctx context.Context, conn *pgx.Conn) (query.Schema, error) {
	var schema query.Schema
	if err := idle(conn); err != nil {
		return schema, refuse("ReadSchema", nil, ErrPlan, err)
	}
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = pg_catalog, pg_temp; set local quote_all_identifiers = off; set local client_encoding = 'UTF8'; "+
			"set local lock_timeout = 1000; set local statement_timeout = 60000"); err != nil {
			return err
		}
		r := schemaReader{ctx: ctx, tx: tx, byOID: map[uint32]int{}, schema: &schema}
		for _, read := range []func() error{r.relations, r.columns, r.inheritance, r.keys, r.foreignKeys, r.views} {
			if err := read(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return query.Schema{}, fail("ReadSchema", nil, err)
	}
	return schema, nil
}

// idle refuses a connection that is in a transaction: ending one's own would end the caller's.
func idle(conn *pgx.Conn) error {
	switch {
	case conn == nil:
		return &audit.InputError{What: "the connection is nil"}
	case conn.PgConn().TxStatus() == 'T', conn.PgConn().TxStatus() == 'E':
		return &audit.InputError{What: "the connection is in a transaction; give one that is idle"}
	}
	return nil
}

type schemaReader struct {
	ctx    context.Context
	tx     pgx.Tx
	byOID  map[uint32]int // index in the schema's relations
	schema *query.Schema
}

func (r *schemaReader) each(sql string, into []any, f func()) error {
	rows, err := r.tx.Query(r.ctx, sql)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error { f(); return nil })
	return err
}

// of gives the relation with the oid, nil when it is none of ours.
func (r *schemaReader) of(oid uint32) *query.LiveRelation {
	if i, ok := r.byOID[oid]; ok {
		return &r.schema.Relations[i]
	}
	return nil
}

func (r *schemaReader) relations() error {
	var oid uint32
	var name, kind, extension string
	var rows float64
	var writes int64
	kinds := map[string]query.LiveKind{"r": query.LiveTable, "p": query.LiveTable, "v": query.LiveView, "m": query.LiveMaterialized, "f": query.LiveForeign}
	return r.each(`select c.oid, `+catalogName+`, c.relkind::text, coalesce((select e.extname::text from pg_depend d join pg_extension e on e.oid = d.refobjid
				where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e' limit 1), ''),
			c.reltuples::float8, coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, -1)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_all_tables s on s.relid = c.oid
		where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't' and n.nspname <> 'septum' and (n.nspname <> 'septum_blob' or c.relname = 'blobs') and `+notSystem+` order by 2`,
		[]any{&oid, &name, &kind, &extension, &rows, &writes}, func() {
			r.byOID[oid] = len(r.schema.Relations)
			r.schema.Relations = append(r.schema.Relations, query.LiveRelation{Name: name, Kind: kinds[kind], Extension: extension, Rows: rows, Writes: writes})
		})
}

func (r *schemaReader) columns() error {
	var oid uint32
	var c query.LiveColumn
	return r.each(`select attrelid, quote_ident(attname), format_type(atttypid, atttypmod), `+livetype.Declared("atttypid")+`, attnotnull, attislocal from pg_attribute a
		join pg_class c on c.oid = a.attrelid where attnum > 0 and not attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') order by attrelid, attnum`,
		[]any{&oid, &c.Name, &c.Type, &c.Declared, &c.NotNull, &c.Own}, func() {
			if rel := r.of(oid); rel != nil {
				rel.Columns = append(rel.Columns, c)
			}
		})
}

func (r *schemaReader) inheritance() error {
	var child, parent uint32
	var partition bool
	return r.each(`select i.inhrelid, i.inhparent, c.relispartition from pg_inherits i join pg_class c on c.oid = i.inhrelid order by i.inhrelid, i.inhseqno`,
		[]any{&child, &parent, &partition}, func() {
			rel, of := r.of(child), r.of(parent)
			switch {
			case rel == nil || of == nil:
			case partition:
				rel.PartitionOf = of.Name
			default:
				rel.Inherits = append(rel.Inherits, of.Name)
			}
		})
}

// columnNames gives an expression for the names of the columns whose numbers stand in an array, in its order.
func columnNames(table, numbers string) string {
	return `(select coalesce(array_agg(quote_ident(a.attname) order by k.i), '{}') from unnest(` + numbers + `) with ordinality as k(number, i)
		join pg_attribute a on a.attrelid = ` + table + ` and a.attnum = k.number)`
}

func (r *schemaReader) keys() error {
	var oid uint32
	var primary bool
	var columns []string
	return r.each(`select indrelid, indisprimary, `+columnNames("indrelid", "(indkey::int2[])[0:indnkeyatts - 1]")+`
		from pg_index where indisunique and indisvalid and indpred is null and indexprs is null order by indrelid, indexrelid`,
		[]any{&oid, &primary, &columns}, func() {
			rel := r.of(oid)
			switch {
			case rel == nil:
			case primary:
				rel.Key = columns
			default:
				rel.Unique = append(rel.Unique, columns)
			}
			columns = nil
		})
}

func (r *schemaReader) foreignKeys() error {
	var oid, to uint32
	var name string
	var columns, toColumns []string
	return r.each(`select conrelid, confrelid, conname::text, `+columnNames("conrelid", "conkey")+`, `+columnNames("confrelid", "confkey")+`
		from pg_constraint where contype = 'f' and conparentid = 0 order by conrelid, conname`, []any{&oid, &to, &name, &columns, &toColumns}, func() {
		if rel, target := r.of(oid), r.of(to); rel != nil && target != nil {
			rel.ForeignKeys = append(rel.ForeignKeys, query.LiveForeignKey{Name: name, Columns: columns, To: target.Name, ToColumns: toColumns})
		}
		columns, toColumns = nil, nil
	})
}

func (r *schemaReader) views() error {
	var view, reads uint32
	return r.each(`select distinct w.ev_class, d.refobjid from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
		where w.ev_type = '1' and d.refclassid = 'pg_class'::regclass and d.refobjid <> w.ev_class order by 1, 2`, []any{&view, &reads}, func() {
		if v, of := r.of(view), r.of(reads); v != nil && of != nil {
			v.Reads = append(v.Reads, of.Name)
		}
	})
}
