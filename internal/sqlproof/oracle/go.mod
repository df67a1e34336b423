// The oracle is a module of its own: pg_query_go needs cgo, and its protobuf names collide with oliphant's, so that the
// two can't be linked into one binary. The program trees beside it is therefore its own module, too.
module github.com/septum-go/septum/internal/sqlproof/oracle

go 1.25

require github.com/pganalyze/pg_query_go/v6 v6.2.5

require google.golang.org/protobuf v1.36.12 // indirect
