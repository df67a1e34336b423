// Pinned to the parser that the prover uses; a test of the oracle holds the two versions together.
module github.com/septum-go/septum/internal/sqlproof/oracle/trees

go 1.25

require github.com/sqlc-dev/oliphant v0.2.0

require google.golang.org/protobuf v1.36.12 // indirect
