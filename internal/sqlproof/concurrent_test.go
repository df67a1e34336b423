package sqlproof

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proofs share the catalog and the lists of this package, and nothing that is written. Run it with -race.
func TestProveConcurrently(t *testing.T) {
	t.Parallel()
	c := corpusCatalog(t)
	cases := readCorpus(t, "testdata/corpus.txt")
	want := make([]string, len(cases))
	verdict := func(sql string) string {
		proof, err := Prove(sql, c, 1)
		if err != nil {
			return err.Error()
		}
		return proof.String()
	}
	for i, tc := range cases {
		want[i] = verdict(tc.sql)
	}
	var wg sync.WaitGroup
	faults := make(chan string, 8)
	for worker := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range cases {
				i = (i + worker*11) % len(cases)
				if got := verdict(cases[i].sql); got != want[i] {
					select {
					case faults <- fmt.Sprintf("%s: %s, and before %s", cases[i].sql, got, want[i]):
					default:
					}
				}
			}
		}()
	}
	wg.Wait()
	close(faults)
	for fault := range faults {
		require.Fail(t, fault)
	}
}

func ExampleProve() {
	catalog, err := NewCatalog([]Relation{
		{Name: "patients", Kind: Tenant, Column: "tenant_id", Type: "uuid"},
		{Name: "encounters", Kind: Tenant, Column: "tenant_id", Type: "uuid"},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	proof, err := Prove(`SELECT p.name, e.ward FROM patients p
LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND e.patient_id = p.id
WHERE p.tenant_id = $1`, catalog, 1)
	fmt.Println(proof, err)

	_, err = Prove(`SELECT p.name, e.ward FROM patients p
LEFT JOIN encounters e ON e.patient_id = p.id
WHERE p.tenant_id = $1`, catalog, 1)
	fmt.Println(err)
	// Output:
	// patients p (1:28): p.tenant_id = $1
	// encounters e (2:11): e.tenant_id = p.tenant_id = $1 <nil>
	// refused SEP-T05: "encounters e" (line 2, column 11)
	//   it stands on the nullable side of an outer join and ON does not bind it, so rows of every tenant would join
	//   write: LEFT JOIN encounters e ON e.tenant_id = p.tenant_id AND …
}
