package query

import "github.com/septum-go/septum/internal/sqlproof"

// Explain proves SQL whose parameters are numbers, $1 being the tenant, and shows the proof: per relation the chain of
// equalities that binds it. It makes no Statement, since nobody says what the other numbers are; it is for tools that read
// SQL files. The error is a *Refusal. MERGE, which the builder writes, is refused here as in Static.
func Explain(c *Catalog, sql string) (string, error) {
	if c == nil {
		return "", misuse("the catalog is nil")
	}
	proof, err := sqlproof.Prove(sql, c.prover, 1)
	if err != nil {
		return "", refusalOf(err)
	}
	return proof.String(), nil
}
