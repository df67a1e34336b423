package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/internal/livetype"
)

type database struct {
	version   int
	roleKnown bool
	tables    []*table
	byOID     map[uint32]*table
	strangers []*foreignKey // of relations that the catalog does not name, to those that it does
}

type table struct {
	declared       *Relation
	exists         bool
	oid            uint32
	name           string // quoted, with its schema
	kind           string
	enabled, force bool
	rows           float64
	column         *column // the tenant's; nil when it is not there
	columns        map[int16]*column
	indexes        []*index
	keys           []*foreignKey
	sequences      []string
	stamped        bool // the trigger is there
	checked        bool // the CHECK that stands for NOT NULL is there
	vacant         bool // rows without a tenant were seen
	parts          []*part

	derive   []*foreignKey // by which a row finds its tenant
	stamps   bool          // this plan or an earlier one has put the trigger there
	given    bool          // the rows have their tenants, though the column may be NULL
	constant bool          // this plan gave the column a constant default
}

// part is a partition at any depth below a table; parents stand before their children.
type part struct {
	parent       *part // nil for those right below the table
	schema, name string
	kind         string
	built        map[string]bool // its indexes by name: whether they are valid
}

type column struct {
	number    int16
	name, typ string
	declared  string // the type as a catalog would write it
	notNull   bool
	fallback  string // DEFAULT
}

type index struct {
	table                        *table
	oid                          uint32
	name, method, definition     string
	listed                       string // the definition after the bracket that opens the list of columns
	unique, primary, valid       bool
	exclusion, partial, deferred bool
	deferrable                   bool
	keys                         []int16
	constraint                   string
}

type foreignKey struct {
	table, to          *table
	child              string // quoted name of the table, also of one that the catalog does not name
	name, definition   string
	columns, toColumns []int16
	validated          bool
	index              uint32
}

func load(ctx context.Context, tx pgx.Tx, in Input) (*database, error) {
	d := &database{byOID: map[uint32]*table{}}
	// Since PostgreSQL 17 printing an expression takes the relation's lock: nobody waits for long behind a migration.
	if _, err := tx.Exec(ctx, `set local search_path = pg_catalog, pg_temp; set local quote_all_identifiers = off; set local row_security = on;
		set local client_encoding = 'UTF8'; set local standard_conforming_strings = on; set local lock_timeout = 1000; set local statement_timeout = 60000`); err != nil {
		return nil, err
	}
	l := loader{ctx: ctx, tx: tx, database: d}
	err := tx.QueryRow(ctx, `select current_setting('server_version_num')::int, exists (select from pg_roles where rolname = $1)`, in.AppRole).
		Scan(&d.version, &d.roleKnown)
	if err != nil {
		return nil, err
	}
	for i := range in.Relations {
		r := &in.Relations[i]
		d.tables = append(d.tables, &table{declared: r, name: quote(r.Schema) + "." + quote(r.Table), columns: map[int16]*column{}})
	}
	for _, read := range []func() error{l.relations, l.attributes, l.indexes, l.partitions, l.foreignKeys, l.leftovers, func() error { return l.sequences(in.AppRole) }, func() error { return l.vacancies(in) }} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	if l.gone {
		return nil, ErrChanged
	}
	return d, nil
}

type loader struct {
	*database
	ctx  context.Context
	tx   pgx.Tx
	ids  []uint32
	gone bool // something was dropped meanwhile
}

func (l *loader) each(sql string, args, into []any, f func()) error {
	rows, err := l.tx.Query(l.ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error { f(); return nil })
	return err
}

// vacancies looks for rows without a tenant where nothing but the column says whose a row is. It looks for two seconds; what
// it does not find by then, or may not see, is for VALIDATE to find.
func (l *loader) vacancies(in Input) error {
	for _, t := range l.tables {
		if in.Existing != "" || t.column == nil || t.column.notNull || len(derivations(t)) > 0 {
			continue
		}
		err := pgx.BeginFunc(l.ctx, l.tx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(l.ctx, "set local statement_timeout = 2000"); err != nil {
				return err
			}
			return tx.QueryRow(l.ctx, fmt.Sprintf("select exists (select from %s where %s is null)", t.name, quote(t.declared.Column))).Scan(&t.vacant)
		})
		var pg *pgconn.PgError
		switch {
		case err == nil:
		case !errors.As(err, &pg), l.ctx.Err() != nil, strings.HasPrefix(pg.Code, "57P"):
			return err
		case pg.Code == "42P01" || pg.Code == "42703" || pg.Code == "3F000":
			l.gone = true
		}
	}
	return nil
}

func (l *loader) relations() error {
	byName := map[[2]string]*table{}
	var schemas, names []string
	for _, t := range l.tables {
		byName[[2]string{t.declared.Schema, t.declared.Table}] = t
		schemas, names = append(schemas, t.declared.Schema), append(names, t.declared.Table)
	}
	var schema, name string
	var row table
	return l.each(`select n.nspname::text, c.relname::text, c.oid, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity, c.reltuples::float8
		from unnest($1::text[], $2::text[]) as want(schema, name) join pg_namespace n on n.nspname = want.schema
		join pg_class c on c.relnamespace = n.oid and c.relname = want.name where c.relkind in ('r', 'p', 'v', 'm', 'f')`,
		[]any{schemas, names}, []any{&schema, &name, &row.oid, &row.kind, &row.enabled, &row.force, &row.rows}, func() {
			t := byName[[2]string{schema, name}]
			t.exists, t.oid, t.kind, t.enabled, t.force, t.rows = true, row.oid, row.kind, row.enabled, row.force, row.rows
			l.byOID[t.oid] = t
			l.ids = append(l.ids, t.oid)
		})
}

func (l *loader) attributes() error {
	var of uint32
	var c column
	return l.each(`select a.attrelid, a.attnum, a.attname::text, format_type(a.atttypid, null), `+livetype.Declared("a.atttypid")+`, a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '')
		from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where a.attrelid = any($1) and a.attnum > 0 and not a.attisdropped order by 1, 2`,
		[]any{l.ids}, []any{&of, &c.number, &c.name, &c.typ, &c.declared, &c.notNull, &c.fallback}, func() {
			t, copied := l.byOID[of], c
			t.columns[c.number] = &copied
			if t.declared.Tenant && c.name == t.declared.Column {
				t.column = &copied
			}
		})
}

func (l *loader) indexes() error {
	var of uint32
	var x index
	var keys []int16
	return l.each(`select i.indrelid, c.oid, c.relname::text, m.amname::text, coalesce(pg_get_indexdef(c.oid), ''),
			-- names before the list are cut off by their length, since they may hold anything
			coalesce(substr(pg_get_indexdef(c.oid), length(format('CREATE %sINDEX %I ON %s%I.%I USING btree (', case when i.indisunique then 'UNIQUE ' end, c.relname,
				case c.relkind when 'I' then 'ONLY ' end, n.nspname, t.relname)) + 1), ''), i.indisunique, i.indisprimary, i.indisvalid,
			i.indisexclusion, i.indpred is not null, coalesce(k.condeferrable, false), coalesce(k.condeferred, false),
			(i.indkey::int2[])[0:i.indnkeyatts - 1], coalesce(k.conname::text, '')
		from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace
		left join pg_constraint k on k.conindid = c.oid and k.contype in ('p', 'u', 'x')
		where i.indrelid = any($1) and not c.relispartition order by i.indrelid, c.relname`, []any{l.ids},
		[]any{&of, &x.oid, &x.name, &x.method, &x.definition, &x.listed, &x.unique, &x.primary, &x.valid, &x.exclusion, &x.partial, &x.deferrable, &x.deferred, &keys, &x.constraint},
		func() {
			l.gone = l.gone || x.definition == ""
			copied := x
			copied.table, copied.keys = l.byOID[of], slices.Clone(keys)
			copied.table.indexes = append(copied.table.indexes, &copied)
		})
}

// partitions reads those of the partitioned tables, and their indexes: an index of a partitioned table is built on each first.
func (l *loader) partitions() error {
	var roots []uint32
	for _, t := range l.tables {
		if t.exists && t.kind == "p" {
			roots = append(roots, t.oid)
		}
	}
	if len(roots) == 0 {
		return nil
	}
	byOID := map[uint32]*part{}
	var root, parent, id uint32
	var p part
	err := l.each(`with recursive tree as (
			select i.inhparent as root, i.inhparent, i.inhrelid, 1 as depth from pg_inherits i where i.inhparent = any($1)
			union all select t.root, i.inhparent, i.inhrelid, depth + 1 from tree t join pg_inherits i on i.inhparent = t.inhrelid)
		select t.root, t.inhparent, c.oid, n.nspname::text, c.relname::text, c.relkind::text
		from tree t join pg_class c on c.oid = t.inhrelid join pg_namespace n on n.oid = c.relnamespace order by t.root, t.depth, 4, 5`,
		[]any{roots}, []any{&root, &parent, &id, &p.schema, &p.name, &p.kind}, func() {
			made := &part{parent: byOID[parent], schema: p.schema, name: p.name, kind: p.kind, built: map[string]bool{}}
			byOID[id] = made
			l.byOID[root].parts = append(l.byOID[root].parts, made)
		})
	if err != nil {
		return err
	}
	var ids []uint32
	for id := range byOID {
		ids = append(ids, id)
	}
	var of uint32
	var name string
	var valid bool
	return l.each(`select i.indrelid, c.relname::text, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = any($1)`,
		[]any{ids}, []any{&of, &name, &valid}, func() { byOID[of].built[name] = valid })
}

// foreignKeys reads those from and to the relations. Their definitions are printed as the snapshot has them, unlike those of
// indexes; what they name may be gone, which is the server's error.
func (l *loader) foreignKeys() error {
	var of, to uint32
	var k foreignKey
	var columns, toColumns []int16
	return l.each(`select conrelid, confrelid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), conname::text, pg_get_constraintdef(k.oid), conkey, confkey, convalidated, conindid
		from pg_constraint k join pg_class c on c.oid = conrelid join pg_namespace n on n.oid = c.relnamespace
		where contype = 'f' and conparentid = 0 and (conrelid = any($1) or confrelid = any($1)) order by conrelid, conname`, []any{l.ids},
		[]any{&of, &to, &k.child, &k.name, &k.definition, &columns, &toColumns, &k.validated, &k.index}, func() {
			copied := k
			copied.table, copied.to = l.byOID[of], l.byOID[to]
			copied.columns, copied.toColumns = slices.Clone(columns), slices.Clone(toColumns)
			switch {
			case copied.table == nil:
				l.strangers = append(l.strangers, &copied)
			default:
				copied.table.keys = append(copied.table.keys, &copied)
			}
		})
}

// leftovers finds what an earlier run of a plan has put up and not yet taken down.
func (l *loader) leftovers() error {
	var of uint32
	var stamped, checked bool
	return l.each(`select oid, exists (select from pg_trigger where tgrelid = oid and tgname = $2 and tgparentid = 0),
			exists (select from pg_constraint where conrelid = c.oid and conname = $3)
		from pg_class c where oid = any($1)`, []any{l.ids, stampTrigger, notNullCheck}, []any{&of, &stamped, &checked}, func() {
		l.byOID[of].stamped, l.byOID[of].checked = stamped, checked
	})
}

// sequences finds those behind serial columns that the role can't use yet; identity columns need no right.
func (l *loader) sequences(role string) error {
	var of uint32
	var name string
	return l.each(`select d.refobjid, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
		from pg_depend d join pg_class c on c.oid = d.objid and c.relkind = 'S' join pg_namespace n on n.oid = c.relnamespace
		where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype = 'a' and d.refobjid = any($1)
			and not exists (select from pg_roles r where r.rolname = $2 and has_sequence_privilege(r.oid, c.oid, 'USAGE')) order by 1, 2`,
		[]any{l.ids, role}, []any{&of, &name}, func() { l.byOID[of].sequences = append(l.byOID[of].sequences, name) })
}
