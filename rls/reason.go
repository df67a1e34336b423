package rls

import (
	"cmp"
	"slices"
	"strings"
)

// Code names one kind of reason for which Open refuses. Codes are stable: deployments and runbooks may match them.
type Code string

// The codes.
const (
	URLSetting        Code = "url_setting"         // the URL sets a session parameter
	URLSimpleProtocol Code = "url_simple_protocol" // the URL asks for pgx's simple protocol
	ConnectionPlain   Code = "connection_plain"    // not encrypted and not to this machine
	ServerVersion     Code = "server_version"      // older than PostgreSQL 15
	SessionSetting    Code = "session_setting"     // a setting that Septum pins is not in force, as behind a pooler
	SettingStored     Code = "setting_stored"      // a role, database or server stores septum.tenant (R09)

	RoleSuperuser   Code = "role_superuser"   // policies don't hold for superusers (R01)
	RoleBypassRLS   Code = "role_bypassrls"   // nor for these
	RoleCreateRole  Code = "role_createrole"  // can make itself more
	RoleReplication Code = "role_replication" // reads the write-ahead log
	RolePredefined  Code = "role_predefined"  // pg_read_all_data, pg_execute_server_program …
	RoleOwner       Code = "role_owner"       // owns, or can become the owner of, a relation, its schema or the database
	RoleUnknown     Code = "role_unknown"     // Config.AppRole does not exist, or the login does not belong to it

	RelationMissing  Code = "relation_missing"   // the catalog names it, the database lacks it
	RelationNotTable Code = "relation_not_table" // views and foreign tables can't carry policies
	RLSDisabled      Code = "rls_disabled"       // R02
	RLSNotForced     Code = "rls_not_forced"     // R01
	PolicyFloor      Code = "policy_floor"       // the restrictive floor is missing or not what Policies writes (R03, R04)
	PolicyDiffers    Code = "policy_differs"     // a permissive policy opens more, or other, rows (R03, R05)
	PolicyMissing    Code = "policy_missing"     // no permissive policy lets the login in
	ColumnMissing    Code = "column_missing"     // the tenant column is not there
	ColumnNullable   Code = "column_nullable"    // R20
	ColumnType       Code = "column_type"        // R20
	ColumnCollation  Code = "column_collation"   // R20: two ids are equal under it
	PrivilegeExtra   Code = "privilege_extra"    // TRUNCATE, TRIGGER, REFERENCES (R15), or writing to a read-only global
	LoginsTable      Code = "logins_table"       // septum.logins is missing, or not what Policies makes (R07)
	PlaceShared      Code = "place_shared"       // a tenant's own login reaches the tables that others share
	PlaceLogin       Code = "place_login"        // the login is not the one of the tenant's entry, or is another tenant's
	PartitionOpen    Code = "partition_open"     // a partition or child that the login reaches directly (R12)
)

// Reason is one thing that stands against opening a database.
type Reason struct {
	Code   Code
	Object string // the relation, role or setting
	Why    string // what is wrong
	Do     string // what to do about it
}

// String is the reason on one line.
func (r Reason) String() string {
	return string(r.Code) + " " + r.Object + ": " + r.Why + "; " + r.Do
}

// OpenError says why Open refused: all reasons, sorted by code and object.
type OpenError struct{ Reasons []Reason }

// Error implements error.
func (e *OpenError) Error() string {
	lines := make([]string, len(e.Reasons))
	for i, r := range e.Reasons {
		lines[i] = "\n  " + r.String()
	}
	return "rls: Open: the database wall has holes:" + strings.Join(lines, "")
}

// Has reports whether a reason of the code is among them.
func (e *OpenError) Has(code Code) bool {
	return slices.ContainsFunc(e.Reasons, func(r Reason) bool { return r.Code == code })
}

func sortReasons(reasons []Reason) []Reason {
	slices.SortFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Why, b.Why))
	})
	return slices.Compact(reasons)
}
