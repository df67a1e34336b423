package attack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Field is where attacks take place.
type Field struct {
	World *World // with all hospitals
	Other *World // the same for the attacker's hospital; the others have no rows

	Walls Walls
}

// Walls says which walls stand. Those of the border and of the types always do.
type Walls struct {
	Statement bool // SQL is proved before it runs
	Database  bool // row-level security is on; for the messages only, since the caller switches it
}

// World is a running system, and all of its hospitals.
type World struct {
	Attacker tenant.Context // a real user of one hospital
	Victim   tenant.Context // a real user of another one, whose requests run beside the attack
	DB       *rls.DB        // what the backend uses
	AppURL   string         // the backend's login
	Owner    *pgx.Conn      // the owner of the tables, to look at every hospital's rows and to put them back; attacks never get it

	URL       string            // the backend's HTTP address
	Token     string            // the attacker's own, valid
	Forgeries map[string]string // tokens that claim the victim's tenant, by how they were made
	Marks     map[string]string // hospital → what its record numbers begin with
	Names     []string          // of the database and the like, which errors tell and which are not the same in both worlds

	kept fingerprint // of the rows when the attacks began
}

func (f *Field) worlds() []*World { return []*World{f.World, f.Other} }

// tables in the order in which rows can be inserted.
var tables = func() []string {
	names := []string{"hospitals", "counters"}
	for _, t := range hospital.Tables {
		names = append(names, t.Name)
	}
	return names
}()

func tenantColumn(table string) string {
	if table == "hospitals" {
		return "id"
	}
	return "tenant_id"
}

// check makes sure that the comparison of the worlds means something, and keeps what is needed to put things back.
func (f *Field) check(ctx context.Context) error {
	var own [2]string
	for i, w := range f.worlds() {
		if err := w.keep(ctx); err != nil {
			return err
		}
		var err error
		if w.kept, err = w.fingerprint(ctx); err != nil {
			return err
		}
		own[i] = w.kept[w.Attacker.Tenant().String()]
	}
	if own[0] == "" || own[0] != own[1] {
		return errors.New("attack: the two worlds must agree on the attacker's hospital")
	}
	if len(f.World.kept) < 2 {
		return errors.New("attack: there is no other hospital to attack")
	}
	return nil
}

// fingerprint is a hash of all rows of each hospital.
type fingerprint map[string]string

func (w *World) fingerprint(ctx context.Context) (fingerprint, error) {
	var parts []string
	for _, table := range tables {
		parts = append(parts, fmt.Sprintf("select %s as tenant, '%s' as name, count(*) as rows, md5(string_agg(t::text, E'\\n' order by t::text)) as sum from public.%s t group by 1",
			tenantColumn(table), table, table))
	}
	texts := map[string]string{}
	err := w.unbound(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select tenant, name || ' ' || rows || ' ' || sum from ("+strings.Join(parts, " union all ")+") x order by 1, 2")
		if err != nil {
			return err
		}
		var who, line string
		_, err = pgx.ForEachRow(rows, []any{&who, &line}, func() error { texts[who] += line + "\n"; return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	print := fingerprint{}
	for who, text := range texts {
		sum := sha256.Sum256([]byte(text))
		print[who] = hex.EncodeToString(sum[:])
	}
	return print, nil
}

func (f fingerprint) equal(other fingerprint) bool { return maps.Equal(f, other) }

// othersChanged names the hospitals, beside the attacker's, whose rows are others than before.
func (f fingerprint) othersChanged(after fingerprint, attacker tenant.ID) string {
	changed := map[string]bool{}
	for who, sum := range f {
		changed[who] = after[who] != sum
	}
	for who := range after {
		changed[who] = changed[who] || f[who] == ""
	}
	var names []string
	for who, is := range changed {
		if is && who != attacker.String() {
			names = append(names, who)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// foreignMark names the hospital whose mark, beside the attacker's own, stands in a text.
func (w *World) foreignMark(text string) string {
	for _, who := range slices.Sorted(maps.Keys(w.Marks)) {
		if who != w.Attacker.Tenant().String() && strings.Contains(text, w.Marks[who]) {
			return who
		}
	}
	return ""
}

// keep remembers every row.
func (w *World) keep(ctx context.Context) error {
	return w.unbound(ctx, func(tx pgx.Tx) error {
		for _, table := range tables {
			if _, err := tx.Exec(ctx, "create temp table kept_"+table+" as table public."+table); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "analyze public."+table); err != nil { // so that there are statistics to steal
				return err
			}
		}
		return nil
	})
}

// restore puts every row back as it was when keep saw it.
func (w *World) restore(ctx context.Context) error {
	err := w.unbound(ctx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for _, table := range slices.Backward(tables) {
			batch.Queue("delete from public." + table)
		}
		for _, table := range tables {
			batch.Queue("insert into public." + table + " select * from pg_temp.kept_" + table)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return err
	}
	now, err := w.fingerprint(ctx)
	if err == nil && !w.kept.equal(now) {
		err = errors.New("attack: the rows could not be put back as they were")
	}
	return err
}

// unbound runs f as an owner whom the policies do not bind: in the same transaction FORCE is taken off the tables and put back, so
// that nobody else ever sees them without it.
func (w *World) unbound(ctx context.Context, f func(pgx.Tx) error) error {
	force := func(tx pgx.Tx, how string) error {
		batch := &pgx.Batch{}
		for _, table := range tables {
			batch.Queue("alter table public." + table + " " + how + " row level security")
		}
		return tx.SendBatch(ctx, batch).Close()
	}
	return pgx.BeginFunc(ctx, w.Owner, func(tx pgx.Tx) error {
		if err := force(tx, "no force"); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		return force(tx, "force")
	})
}
