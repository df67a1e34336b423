package audit

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Tenants that are played: real ones, and ones that do not exist.

// loadLabels reads what ids there can be at all when the tenant column is an enum.
func (r *runner) loadLabels(x *relation) error {
	r.labels = nil
	if !x.declared.Type.Enum {
		return nil
	}
	rows, err := r.conn.Query(r.ctx, `select e.enumlabel::text from pg_catalog.pg_enum e join pg_catalog.pg_type t on t.oid = e.enumtypid
			join pg_catalog.pg_namespace n on n.oid = t.typnamespace
		where pg_catalog.format('%I.%I', n.nspname, t.typname) = $1 order by e.enumsortorder`, x.tenant.base)
	if err != nil {
		return err
	}
	r.labels, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

// isOf reports whether a tenant's id can be one of the tenant column's type.
func (r *runner) isOf(x *relation, id string) bool {
	switch t := x.declared.Type; {
	case t.UUID:
		return len(id) == 36
	case t.Enum:
		return slices.Contains(r.labels, id)
	case t.Largest > 0:
		n, err := strconv.ParseInt(id, 10, 64)
		return err == nil && n >= 0 && n <= t.Largest
	}
	return true
}

// strangers are two tenants for a relation, real ones or not; none when its enum has a single label.
func (r *runner) strangers(x *relation) (mine, theirs string, ok bool) {
	if !x.declared.Type.Enum {
		return nobody(x), nobody(x), true
	}
	if len(r.labels) < 2 {
		return "", "", false
	}
	return r.labels[0], r.labels[1], true
}

// newcomer is a tenant without rows in a relation that the audit's login reads; empty when each label of an enum has some.
func (r *runner) newcomer(x *relation) (string, error) {
	if !x.declared.Type.Enum {
		return nobody(x), nil
	}
	id := ""
	err := r.input.inTx(r.ctx, r.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return tx.QueryRow(r.ctx, fmt.Sprintf(`select coalesce((select e from unnest($1::text[]) e
			where not exists (select from %s where %s::text = e) limit 1), '')`, x.name, x.tenant.sql), r.labels).Scan(&id)
	})
	if sqlState(err) != "" {
		return "", nil // it was dropped, or is locked: no other probe of it came to an end either
	}
	return id, err
}

// nobody makes the id of a tenant that does not exist, for a type that is no enum. It fits the column: of small types the
// largest values are taken, which are given out last.
func nobody(x *relation) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	switch t := x.declared.Type; {
	case t.UUID:
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		h := hex.EncodeToString(b[:])
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	case t.Largest > 0:
		below := new(big.Int).Mod(new(big.Int).SetBytes(b[:]), big.NewInt(t.Largest/64))
		return new(big.Int).Sub(big.NewInt(t.Largest), below).String()
	}
	id := "septum-audit-" + hex.EncodeToString(b[:12])
	if length := x.tenant.length(); length > 0 && length < len(id) {
		id = id[len(id)-min(length, 24):]
	}
	return id
}

// length is the most characters that the column takes; zero when its type does not say.
func (c *column) length() int {
	_, modifier, _ := strings.Cut(c.typ, "(")
	n, _ := strconv.Atoi(strings.TrimSuffix(modifier, ")"))
	return n
}
