package blob

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Swept is what a sweep did.
type Swept struct {
	Uploads int64 // uploads given up, since they were older than Config.Grace
	Merged  int64 // blobs that now share bytes with another tenant's equal content (scope Global)
	Freed   int64 // contents that nobody owned any more
	Deleted int64 // objects deleted from the storage
	Orphans int64 // of these, objects that the database knew nothing of
	Rotten  int64 // copies that were found to be damaged while they were compared; see Scrub
}

// batch is how much a sweep takes in hand at a time.
const batch = 500

// Sweep tidies up: it gives up uploads that are older than Config.Grace, has equal content share bytes (scope Global),
// deletes bytes that nobody owns, and, from the storage, objects that the database knows nothing of and that are older
// than Config.Grace. Run it now and then, for all tenants and those being erased; several at once do no harm, and one that
// is killed leaves its work for the next.
//
// Each tenant is entered as the operator, and one that fails stops no other: the error is a *rls.SweepError then. What was
// done is told in any case.
func (s *Store) Sweep(op tenant.Operator, tenants iter.Seq[tenant.ID]) (Swept, error) {
	var total Swept
	looked := false // for orphans, which belong to no tenant
	err := rls.EachTenant(op, tenants, func(tc tenant.Context) error {
		err := s.sweepTenant(tc, &total)
		if err == nil && !looked {
			looked = true
			err = s.sweepOrphans(tc, &total)
		}
		return err
	})
	if err != nil {
		return total, fail("Sweep", nil, err)
	}
	return total, nil
}

func (s *Store) sweepTenant(tc tenant.Context, total *Swept) error {
	for {
		n, err := one[int64](s, tc, "Sweep", s.statements.uploads, query.Args{"grace": s.config.Grace, "max": batch})
		if err != nil {
			return err
		}
		total.Uploads += n
		if n < batch {
			break
		}
	}
	if s.config.Scope == Global {
		if err := s.mergeCopies(tc, total); err != nil {
			return err
		}
	}
	for {
		did, err := one[struct{ Looked, Freed int64 }](s, tc, "Sweep", s.statements.loose, query.Args{"max": batch})
		if err != nil {
			return err
		}
		total.Freed += did.Freed
		if did.Looked < batch {
			break
		}
	}
	return s.deleteGarbage(tc, total)
}

// deleteGarbage deletes bytes and then forgets them. One object that can't be deleted now does not stop the others.
func (s *Store) deleteGarbage(tc tenant.Context, total *Swept) error {
	var failed error
	for after := ""; ; {
		keys, err := rls.All[string](tc, s.db, s.statements.garbage, query.Args{"after": after, "max": batch})
		if err != nil {
			return fromDB("Sweep", err)
		}
		var gone []string
		for _, text := range keys {
			key, ok := ParseKey(text)
			if !ok {
				continue // written by nobody we know; the row stays for somebody to look at
			}
			if err := s.driver.Delete(tc, key); err != nil {
				if ctxErr := context.Cause(tc); ctxErr != nil {
					return fail("Sweep", nil, ctxErr)
				}
				failed = errors.Join(failed, err)
				continue
			}
			gone = append(gone, text)
		}
		if len(gone) > 0 {
			if _, err := one[int64](s, tc, "Sweep", s.statements.done, query.Args{"keys": gone}); err != nil {
				return err
			}
			total.Deleted += int64(len(gone))
		}
		if len(keys) < batch {
			break
		}
		after = keys[len(keys)-1]
	}
	if failed != nil {
		return fail("Sweep", ErrStorage, failed)
	}
	return nil
}

// sweepOrphans deletes old objects that the database knows nothing of. It can't meet an upload: the row of one stands
// before its first byte does.
func (s *Store) sweepOrphans(tc tenant.Context, total *Swept) error {
	var old []string
	look := func() error {
		known, err := rls.All[string](tc, s.db, s.statements.known, query.Args{"keys": old})
		if err != nil {
			return fromDB("Sweep", err)
		}
		is := make(map[string]bool, len(known))
		for _, key := range known {
			is[key] = true
		}
		for _, text := range old {
			if key, ok := ParseKey(text); ok && !is[text] {
				if err := s.driver.Delete(tc, key); err != nil {
					return fail("Sweep", ErrStorage, err)
				}
				total.Deleted++
				total.Orphans++
			}
		}
		old = old[:0]
		return nil
	}
	for object, err := range s.driver.List(tc) {
		if err != nil {
			return fail("Sweep", ErrStorage, err)
		}
		if time.Since(object.Modified) < s.config.Grace {
			continue
		}
		if old = append(old, object.Key.String()); len(old) == batch {
			if err := look(); err != nil {
				return err
			}
		}
	}
	return look()
}
