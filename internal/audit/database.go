package audit

import (
	"slices"
	"strings"
)

// oid is PostgreSQL's object identifier.
type oid = uint32

// database is the picture of one database that rules look at. Nothing changes it after it was read.
type database struct {
	input Input

	version         int    // server_version_num
	versionText     string // server_version
	name            string
	oid, owner      oid
	auditor         string // session_user
	storedTenant    bool   // the audit's own session began with a tenant
	databaseRights  []grant
	connects        map[oid]bool // logins with BYPASSRLS that may connect
	lowCompat       bool         // lo_compat_privileges
	readsAll        bool         // the auditor is a superuser or has BYPASSRLS
	standby         bool
	roles           map[oid]*role
	app             map[oid]*reached  // the login and every role that it can become
	grantors        map[[2]oid]string // of a membership (role, member); empty for the first superuser
	login, appRole  *role
	schemas         map[oid]*schema
	relations       map[oid]*relation
	sorted          []*relation // by name
	byName          map[string]*relation
	policies        []*policy
	functions       map[oid]*function
	sortedFunctions []*function
	byFunctionName  map[string][]oid       // by the bare name, in lower case
	byTable         map[string][]*relation // likewise
	parsedCalls     map[oid][]oid          // of functions whose body the server keeps parsed
	triggers        []*trigger
	rules           []*rewrite // of pg_rewrite: views and rules
	publications    []*publication
	eventTriggers   []*eventTrigger
	settings        []*storedSetting
	defaults        []*defaultRight
	calls           []call // operators, aggregates, casts, defaults … and the functions that they run
	largeObjects    largeObjects
	catalogRights   []grant  // on system catalogs that hold data
	parameterRights []grant  // on settings of superusers
	serverFunctions []grant  // on the server's own functions, and extensions', that not everybody may run
	marked          []string // the server's own functions that somebody marked LEAKPROOF
	aliases         []oid    // functions of the house that are such a one by another name
}

// role is a row of pg_roles.
type role struct {
	oid                                                    oid
	name                                                   string
	super, bypass, createRole, replication, login, inherit bool
	memberOf                                               []oid
}

// reached is a role that the login is or can become.
type reached struct {
	*role
	from *role // the next role on the way to the login; nil for the login itself
}

// grant is one right of one role; grantee 0 is PUBLIC.
type grant struct {
	on        oid
	grantee   oid
	privilege string
	column    string // of a right on one column; empty for the whole object
}

type schema struct {
	oid, owner oid
	name       string
	rights     []grant
	extension  bool
}

// relation is a row of pg_class in a schema that is not the system's.
type relation struct {
	oid, owner        oid
	schema            *schema
	table             string
	name              string // quoted where needed, always with its schema
	kind              string // relkind
	enabled, forced   bool
	invoker           bool // a view with security_invoker
	extension         bool
	owned             bool // by the application
	partition         bool
	follows           bool // a sequence that belongs to a column, and so to the table's owner
	columns           map[int16]*column
	rights            []grant // of the login's roles and PUBLIC
	others            []grant // of logins that escape policies
	policies          []*policy
	triggers          []*trigger
	rules             []*rewrite
	constraints       []*constraint
	indexes           []*index
	parents, children []*relation
	declared          *Relation // in the catalog; nil when it is not
	tenant            *column   // the declared tenant column; nil when it is not there
	inherited         *column   // the tenant column of a partition or child of a tenant relation, which is not declared itself
	bound             string    // of a partition, as the server prints it
	split             string    // strategy of a partitioned relation, and the columns that it is split by; 0 for an expression
	splitBy           []int16
	views             []view // that name a tenant column to be changed, each behind those that it reads
	unseen            bool   // somebody held it, so what the server would have had to print was not read
}

// view is one to be dropped and made anew.
type view struct {
	drop string
	make []string
}

type column struct {
	number              int16
	name, sql, typ      string // sql is the name, quoted where needed
	declared, base      string // the type as a catalog would write it, and the one below all domains as the server prints it
	notNull             bool
	vague               bool // two ids can be equal under its collation
	identity, generated string
	defaults            string // the default's text
}

type policy struct {
	relation             *relation
	name, command        string
	permissive           bool
	roles                []oid
	using, check         *string   // printed
	usingTree, checkTree *string   // pg_node_tree
	usingIs, checkIs     predicate // of a tenant relation
	functions            []oid     // user-defined ones in it
	operators            []oid     // likewise
	relations            []oid     // others that it reads
	objects              []policyObject
}

// policyObject is an operator or type that a policy can't do without: who drops it drops the policy.
type policyObject struct {
	kind, name string // as DDL has them
	owner      oid
}

type constraint struct {
	oid        oid
	relation   *relation
	name, kind string // contype
	columns    []int16
	to         *relation
	toColumns  []int16
	validated  bool
	index      oid
	parent     bool     // inherited from a partitioned table's constraint
	acts       bool     // a foreign key that deletes, changes or empties its own rows with those that they refer to
	equals     []string // operators of a foreign key
	period     bool     // a foreign key whose last column is a period
	loose      bool     // an exclusion constraint that compares the tenant column by something else than equality
	definition string
}

type index struct {
	oid                        oid
	relation                   *relation
	name                       string
	unique, primary, exclusion bool
	constraint                 bool
	keys                       []int16  // 0 for expressions
	method, definition, listed string   // listed is the definition after the bracket that opens the list of columns
	leaky                      []string // operators and functions in it that are not leakproof
	partial, inherited         bool
}

type function struct {
	oid, owner         oid
	schema             *schema
	name, arguments    string
	kind               string // prokind
	definer, leakproof bool
	volatility         string
	config             []string
	source, language   string
	returns            string
	extension          bool
	rights             []grant
	parsed             bool  // its body is of the SQL standard: names were resolved when it was made
	relations          []oid // that an SQL-standard body names
	asks, sets         bool  // such a body reads the session, sets its tenant
}

type trigger struct {
	relation *relation
	name     string
	function oid
	enabled  bool
	kind     int16 // tgtype
}

type rewrite struct {
	relation  *relation
	name      string
	event     string // '1' select, '2' update, '3' insert, '4' delete
	relations []oid
	functions []oid
	notifies  bool
}

type publication struct {
	name      string
	all       bool
	relations map[oid]bool // whether there is a row filter
	schemas   []oid
}

type eventTrigger struct {
	name      string
	function  oid
	owner     oid
	enabled   bool
	extension bool
}

type storedSetting struct{ role, database, name, value string }

type defaultRight struct {
	owner     oid
	schema    string
	kind      string
	grantee   oid
	privilege string
}

// call is a function that something else runs.
type call struct {
	class    string // the catalog of what runs it: "pg_operator"
	by       oid    // and its oid there
	what     string // for people: "operator public.=== (text, text)"
	function oid
}

type largeObjects struct {
	count int
	first []string
}

// qualified is the function's name for SQL.
func (f *function) qualified() string {
	return quote(f.schema.name) + "." + quote(f.name) + "(" + f.arguments + ")"
}

// kindWord is what DDL calls the function.
func (f *function) kindWord() string {
	switch f.kind {
	case "p":
		return "procedure"
	case "a":
		return "aggregate"
	}
	return "function"
}

// pinned reports whether the function's own search_path ends in pg_temp, so that no temporary object comes before what
// it means.
func (f *function) pinned() bool {
	for _, setting := range f.config {
		if name, value, _ := strings.Cut(setting, "="); strings.EqualFold(name, "search_path") {
			parts := strings.Split(value, ",")
			last := strings.Trim(strings.TrimSpace(parts[len(parts)-1]), `"`)
			return last == "pg_temp"
		}
	}
	return false
}

// isTenant reports whether the catalog says that the relation's rows belong to tenants.
func (r *relation) isTenant() bool { return r.declared != nil && r.declared.Tenant }

// isTable reports whether it can carry policies.
func (r *relation) isTable() bool { return r.kind == "r" || r.kind == "p" }

// is says what kind of relation it is, as ALTER and DROP do.
func (r *relation) is() string {
	switch r.kind {
	case "v":
		return "view"
	case "m":
		return "materialized view"
	case "f":
		return "foreign table"
	case "S":
		return "sequence"
	}
	return "table"
}

// reads and writes report whether the login has a right of that kind, on the whole or on a column.
func (r *relation) reads() bool  { return hasAny(r.rights, "SELECT") }
func (r *relation) writes() bool { return hasAny(r.rights, "INSERT", "UPDATE", "DELETE", "TRUNCATE") }

// reached reports whether the login can get at rows of the relation by its own name, as its owner as well.
func (r *relation) reached() bool { return r.reads() || r.writes() || r.owned }

func hasAny(rights []grant, privileges ...string) bool {
	return slices.ContainsFunc(rights, func(g grant) bool { return slices.Contains(privileges, g.privilege) })
}

// whose is the tenant column of a tenant relation, or of a part of one; nil elsewhere.
func (r *relation) whose() *column {
	if r.tenant != nil {
		return r.tenant
	}
	return r.inherited
}

// column finds a column by its name.
func (r *relation) column(name string) *column {
	for _, c := range r.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// names are the quoted names of columns, by number.
func (r *relation) names(numbers []int16) []string {
	out := make([]string, 0, len(numbers))
	for _, n := range numbers {
		if c := r.columns[n]; c != nil {
			out = append(out, c.sql)
		}
	}
	return out
}

// list is names, for SQL.
func (r *relation) list(numbers []int16) string { return strings.Join(r.names(numbers), ", ") }
