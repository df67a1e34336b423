package rls

import (
	"errors"
	"strings"

	"github.com/septum-go/septum/tenant"
)

// Tier is how far a tenant's data stands from the others'. The words are those of AWS's SaaS guidance.
type Tier string

// The tiers. Tables keep their tenant column and their policies in each, so statements, proofs and moves stay the same.
const (
	// TierPool: tables that all tenants share, kept apart by row-level security.
	TierPool Tier = "pool"
	// TierBridge: a schema and a login of the tenant's own, in a database that it shares.
	TierBridge Tier = "bridge"
	// TierSilo: a database of the tenant's own, on a server that may be its own too.
	TierSilo Tier = "silo"
)

// Status says what a tenant may do now.
type Status string

// The statuses. What they refuse is refused before any connection.
const (
	StatusActive    Status = "active"    // everything
	StatusReadOnly  Status = "read_only" // reading; writes are ErrReadOnly
	StatusMoving    Status = "moving"    // reading at the old place; a write would stay behind, and is ErrMoving
	StatusSuspended Status = "suspended" // nothing: ErrSuspended
	StatusErased    Status = "erased"    // nothing: ErrErased
)

// Entry says where a tenant lives and what it may do: one line of a [Directory]. It holds no secret: Target and Login are
// names that [Credentials] knows.
type Entry struct {
	Tier Tier
	// Target names the database. Letters, digits, '_', '-' and '.', at most 63 bytes.
	Target string
	// Login is the tenant's own role at the server. Required in the bridge tier. Where it is empty the target's
	// credentials say who logs in: in the pool tier one role for all tenants, in the silo tier the database's only user.
	Login string
	// Schema holds the tenant's tables. Required in the bridge tier, and public when empty in the others.
	Schema string
	// Status is empty for StatusActive.
	Status Status
	// Version grows with every change of the entry. An entry with a smaller version than the one that is known is
	// taken for a late reply and passed over.
	Version int64
}

// check holds an entry to what its tier needs, so that a half-written one serves nobody.
func (e Entry) check() error {
	switch {
	case e.Tier != TierPool && e.Tier != TierBridge && e.Tier != TierSilo:
		return unusable("its tier is none of pool, bridge and silo")
	case !isReference(e.Target):
		return unusable("its target is not a name of letters, digits, '_', '-' and '.'")
	case len(e.Login) > maxName || len(e.Schema) > maxName || strings.ContainsRune(e.Login+e.Schema, 0):
		return unusable("its login or schema is no PostgreSQL name")
	case e.Tier == TierBridge && (e.Login == "" || e.Schema == ""):
		return unusable("the bridge tier needs a login and a schema")
	case e.Tier == TierBridge && (e.Schema == "public" || isSystemSchema(e.Schema)):
		return unusable("the bridge tier needs a schema of the tenant's own")
	case e.Tier == TierPool && e.Schema != "" && e.Schema != "public":
		return unusable("the pool tier's tables stand in the schema public")
	case e.Schema == "$user":
		return unusable("a search_path can't name the schema $user, which means another one there")
	case isSystemSchema(e.Schema):
		return unusable("its schema is PostgreSQL's own")
	}
	switch e.Status {
	case "", StatusActive, StatusReadOnly, StatusMoving, StatusSuspended, StatusErased:
		return nil
	}
	return unusable("its status is not one that this version knows")
}

// permit says what the status refuses.
func (e Entry) permit(write bool) error {
	switch e.Status {
	case "", StatusActive:
		return nil
	case StatusReadOnly:
		if write {
			return ErrReadOnly
		}
		return nil
	case StatusMoving:
		if write {
			return ErrMoving
		}
		return nil
	case StatusSuspended:
		return ErrSuspended
	}
	return ErrErased
}

// place is where the entry's statements run. Connections are kept by place: two tenants share one exactly when both are
// in the pool tier of one target without logins of their own (threat X10).
func (e Entry) place(id tenant.ID) place {
	p := place{tier: e.Tier, target: e.Target, login: e.Login, schema: e.Schema}
	if p.schema == "" {
		p.schema = "public"
	}
	if e.Tier != TierPool || e.Login != "" {
		p.tenant = id
	}
	return p
}

// place is the key of connections.
type place struct {
	tier                  Tier
	target, login, schema string
	tenant                tenant.ID // zero where tenants share the connections
}

// maxName is the length of a PostgreSQL name, NAMEDATALEN-1.
const maxName = 63

// isReference reports whether a text can be a target's name: also a file's name, that leads nowhere else.
func isReference(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '.' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isSystemSchema(name string) bool {
	return strings.HasPrefix(name, "pg_") || name == "information_schema"
}

func unusable(why string) error {
	return because{ErrEntry, errors.New(why)}
}
