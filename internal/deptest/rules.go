package deptest

const (
	pgx      = "github.com/jackc/pgx/v5/..."
	squirrel = "github.com/Masterminds/squirrel"
	oliphant = "github.com/sqlc-dev/oliphant/..."
	jwx      = "github.com/lestrrat-go/jwx/v3/..."
	// Of Tink, the one package that cuts streams into sealed segments; it imports the standard library alone.
	noncebased = "github.com/tink-crypto/tink-go/v2/streamingaead/subtle/noncebased"
)

// Layers is the table of who may import whom.
func Layers() []Layer {
	return []Layer{
		{".", nil, "it is the map of the packages and holds no code"},

		{"tenant", nil, "everything stands on it, so it stands on nothing"},
		{"tenant/tenanthttp", []string{"tenant"}, "a border knows tenants and one protocol"},
		{"tenant/tenantjwt", []string{"tenant", jwx}, "a border knows tenants and one library"},
		{"tenant/tenantgrpc", []string{"tenant", "google.golang.org/grpc/..."}, "a border knows tenants and one library"},
		{"tenant/tenantjob", []string{"tenant"}, "a border knows tenants and one library"},
		{"tenant/lifecycle", []string{"tenant"}, "data reaches it through its own small interface, so that no store is forced on anybody"},
		{"tenant/tenanttest", []string{"tenant", "internal/pgtest", "rls/...", "query/...", "cache/...", "blob/..."}, "a kit attacks a whole application"},

		{"query", []string{"tenant", squirrel, "internal/sqlproof", "internal/sqltext"}, "a statement is text and proof; it knows no driver and no sibling"},
		{"query/querytest", []string{"tenant", "query", "internal/sqlproof", "internal/sqltext"}, "a kit imports its parent"},

		{"rls", []string{"tenant", "query", "internal/audit", "internal/livetype", "internal/plan", "internal/scram", "internal/sqltext", pgx}, "the database wall knows statements, the lexer that cuts migration files, and one driver; no cache and no blobs"},
		{"rls/rlstest", []string{"tenant", "query", "rls", "internal/pgtest", pgx}, "a kit imports its parent and what gives it a server"},

		{"cache", []string{"tenant"}, "a cache knows tenants; what it keeps is the caller's"},
		{"cache/rediscache", []string{"tenant", "cache", "github.com/redis/rueidis/..."}, "one engine, one client"},
		{"cache/cachetest", []string{"tenant", "cache"}, "a kit imports its parent"},

		{"blob", []string{"tenant", "query", "rls", pgx, noncebased}, "references stand in the database, bytes behind a driver, sealed by a library's framing"},
		{"blob/fsblob", []string{"tenant", "blob"}, "a driver needs its store's interface and the file system"},
		{"blob/s3blob", []string{"tenant", "blob", "github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/..."}, "one engine, one client"},
		{"blob/blobtest", []string{"tenant", "blob"}, "a kit imports its parent"},

		{"internal/sqltext", nil, "the lexer is a leaf"},
		{"internal/sqlproof", []string{"internal/sqltext", oliphant}, "the prover knows text and the parser; it must not know the builder that it checks"},
		{"internal/livetype", nil, "a question to the server is a text"},
		{"internal/scram", nil, "arithmetic on a password"},
		{"internal/pgtest", []string{"internal/scram", pgx, "github.com/ory/dockertest/v3/...", "github.com/fergusstrange/embedded-postgres"}, "a server for anybody's tests, rls's as well, so it knows none of them but what a password becomes"},
		{"internal/pgtest/pgrun", []string{"internal/pgtest"}, "a command around its parent"},
		{"internal/audit", []string{"internal/livetype", pgx}, "the auditor knows catalogs of a server; what a right policy looks like comes from rls"},
		{"internal/plan", []string{"internal/livetype", pgx}, "the planner knows catalogs of a server; what a right policy looks like comes from rls"},
		{"internal/blobworld", []string{"tenant", "query", "blob", "rls/rlstest"}, "what tests of blobs stand on; it knows blobs and the kit that gives a database"},
		{"internal/redistest", nil, "a server for anybody's tests; it speaks the protocol itself"},
		{"internal/ratio", nil, "a stopwatch needs no libraries"},
		{"internal/traffic", nil, "requests are numbers"},
		{"internal/deptest", nil, "rules need no libraries"},

		{"cmd/septum", []string{"./...", pgx, "aead.dev/minisign"}, "a command may use the whole library; rls.Audit takes a connection of its driver, and reports are signed by one library"},
		{"cmd/septumvet", []string{"golang.org/x/tools/..."}, "an analyzer knows code, not the library's insides"},
		{"examples/...", []string{"./...", squirrel, pgx}, "an example imports what a user would"},
	}
}

// users are the packages that a user's program links.
func users() []string {
	return []string{".", "tenant", "tenant/tenanthttp", "tenant/tenantjwt", "query", "rls", "cache", "cache/rediscache", "blob/...", "cmd/..."}
}

// Bans is what must not be linked, however far away the import is.
func Bans() []Ban {
	return []Ban{
		{[]string{"tenant"}, []string{StdOnly}, "a program that imports only tenant links the standard library alone"},
		{[]string{"tenant/tenanthttp", "tenant"}, []string{StdOnly}, "the HTTP border brings no library along"},
		{users(), []string{
			"github.com/stretchr/testify/...", "go.uber.org/goleak/...", "pgregory.net/rapid/...", "std:testing",
		}, "what tests need must never reach a user's binary"},
		{users(), []string{
			"internal/pgtest/...", "internal/redistest", "github.com/ory/dockertest/v3/...", "github.com/fergusstrange/embedded-postgres", "github.com/lib/pq/...",
		}, "a test server must never reach a user's binary"},
		{[]string{"cache", "tenant"}, []string{StdOnly}, "the cache in process brings no library along"},
		{[]string{"query"}, []string{pgx, "std:net/http", "std:os/exec"}, "a statement is a value: it connects to nothing"},
		{[]string{"internal/sqlproof"}, []string{squirrel, "std:net", "std:os/exec"}, "a proof depends on the text and the catalog alone"},
		{[]string{"tenant", "query", "rls", "internal/sqlproof", "internal/sqltext"}, []string{"std:C"}, "the library is pure Go"},
	}
}
