package rls

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// The codes of what stands against a Citus cluster; see docs/scale.md.
const (
	CitusColumn     Code = "citus_column"     // distributed by another column than the tenant's
	CitusColocation Code = "citus_colocation" // tenant relations in different groups: a tenant's rows on several nodes
	CitusShared     Code = "citus_shared"     // a tenant relation is a reference table: every node holds every tenant's rows
	CitusLocal      Code = "citus_local"      // stays on the coordinator while others are distributed
	CitusTier       Code = "citus_tier"       // a Directory's place that Citus is not for: the bridge tier, logins of tenants' own
	CitusLoader     Code = "citus_loader"     // Config.LoaderURL: Citus can't grant a right on single columns, which is all that a loader has
)

// distribution is what Citus does with one table, by its catalog pg_dist_partition.
type distribution struct {
	Method     string // 'h' by the hash of a column; 'n' without one
	Column     string // the column, empty without one
	Colocation int64  // tables of one group have their shards on the same nodes
	Reference  bool   // on every node whole
}

// distributions gives what Citus distributes, by the tables' oids: nil where the extension is not installed. The column is
// read from the node that Citus stores, by its number: the function for it has moved between versions.
func distributions(ctx context.Context, conn querier) (map[uint32]distribution, error) {
	var installed bool
	err := conn.QueryRow(ctx, `select exists (select from pg_catalog.pg_extension where extname = 'citus')
		and pg_catalog.to_regclass('pg_catalog.pg_dist_partition') is not null`).Scan(&installed)
	if err != nil || !installed {
		return nil, err
	}
	rows, err := conn.Query(ctx, `select p.logicalrelid::oid, p.partmethod::text, coalesce(a.attname, '')::text, p.colocationid::bigint, p.repmodel = 't'
		from pg_catalog.pg_dist_partition p left join pg_catalog.pg_attribute a on a.attrelid = p.logicalrelid::oid
			and a.attnum = substring(p.partkey::text from 'varattno ([0-9]+)')::smallint`)
	if err != nil {
		return nil, err
	}
	found := map[uint32]distribution{}
	var oid uint32
	var d distribution
	_, err = pgx.ForEachRow(rows, []any{&oid, &d.Method, &d.Column, &d.Colocation, &d.Reference}, func() error {
		found[oid] = d
		return nil
	})
	return found, err
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// spreads reports whether any table is distributed by a column, so that scope and policies take Citus's form.
func spreads(all map[uint32]distribution) bool {
	for _, d := range all {
		if d.Method == "h" {
			return true
		}
	}
	return false
}

// distributed checks that a relation lies in the cluster as statements of one tenant need it.
func (p *posture) distributed(r query.Relation, oid uint32) {
	if !spreads(p.citus) {
		return
	}
	d, known := p.citus[oid]
	switch {
	case r.Kind == query.GlobalKind:
		if !known || !d.Reference {
			p.add(CitusLocal, r.Name, "it is no reference table, so no tenant's node has it", "select create_reference_table(…)")
		}
	case !known || d.Method != "h" && !d.Reference:
		p.add(CitusLocal, r.Name, "it stays on the coordinator, away from the tenants' other rows", "select create_distributed_table(…, tenant column)")
	case d.Reference:
		p.add(CitusShared, r.Name, "it is a reference table: every node holds every tenant's rows", "select create_distributed_table(…, tenant column)")
	case d.Column != r.Column:
		p.add(CitusColumn, r.Name, "it is distributed by "+d.Column+" and not by the tenant column "+r.Column, "select alter_distributed_table(…, distribution_column := …)")
	case p.group == 0:
		p.group = d.Colocation
	case d.Colocation != p.group:
		p.add(CitusColocation, r.Name, "its shards are not where those of the other tenant relations are", "select alter_distributed_table(…, colocate_with := …)")
	}
}

// plainPredicate is the policy's text on Citus, which refuses the (select …) form in CREATE POLICY ("unexpected
// non-SELECT command in SubLink"). Without it PostgreSQL reads the setting for each row that no index excludes; each shard
// holds few of another tenant's.
func plainPredicate(r query.Relation) string {
	return fmt.Sprintf("%s = nullif(current_setting('%s', true), '')::%s", quoteName(r.Column), Setting, r.Type.Setting())
}

// printedPlain is how PostgreSQL prints it back.
func printedPlain(column string, t printedType) string {
	return "(" + t.column(column) + " = " + t.cast("NULLIF(current_setting('"+Setting+"'::text, true), ''::text)") + ")"
}

// citusScope is the scope on a cluster: set_config does not reach the workers, and SET LOCAL does when Citus is told to hand
// it on (without either, every policy sees no tenant, and no row comes). SET takes no parameters, so the tenant stands in
// the text: its alphabet has no character that means anything there, which is looked at once more (threat X07).
func (s *session) citusScope(scope string) ([]string, error) {
	if _, err := tenant.ParseID(scope); err != nil || strings.ContainsAny(scope, "'\\\x00") {
		return nil, errors.New("a tenant's id has a character that none can have")
	}
	var set []string
	if s.pooler.between() {
		set = append(set, "set local search_path = "+s.path)
	}
	for i, t := range (Limits{}).timeouts() {
		if values := s.out.bindScope.Parameters; len(values) > i+1 {
			set = append(set, "set local "+t.setting+" = '"+string(values[i+1])+"'")
		}
	}
	return append(set, "set local citus.propagate_set_commands = 'local'", "set local "+Setting+" = '"+scope+"'"), nil
}

// surround is what travels before and after a request, and whether the scope's own statement travels too: not where the
// connection has been one tenant's from its start (settle). On Citus the scope
// needs a transaction: a request outside one brings BEGIN and COMMIT along, in the same round trip, and one in a
// transaction brings the scope behind its BEGIN and not again, since a SET LOCAL costs a trip to the worker.
func (s *session) surround(scope string, controls []string) (before, after []string, own bool, err error) {
	if s.own != "" {
		if scope != s.own { // can't be: the router gives a tenant's connection to nobody else
			return nil, nil, false, s.outOfStep()
		}
		return controls, nil, false, nil
	}
	if !s.citus {
		return controls, nil, !s.keeps(scope, controls), nil
	}
	if s.status != 'I' {
		return controls, nil, false, nil
	}
	set, err := s.citusScope(scope)
	if err != nil {
		return nil, nil, false, err
	}
	if len(controls) == 0 {
		return append([]string{"begin"}, set...), []string{"commit"}, false, nil
	}
	before = append([]string{controls[0]}, set...) // its BEGIN
	return append(before, controls[1:]...), nil, false, nil
}

// clear rolls back what a refused request on Citus left, which had a BEGIN of its own.
func (s *session) clear(ctx context.Context) {
	if s.citus && s.pg != nil && !s.pg.IsClosed() && s.state == quiet && s.status == 'E' {
		if _, err := s.control(ctx, "rollback"); err != nil {
			s.destroy()
		}
	}
}
