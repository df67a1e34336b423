package blob

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Rot is a blob that can't be read as it was put.
type Rot struct {
	Tenant tenant.ID
	Ref    Ref
	Err    error // ErrCorrupt, or ErrShredded
}

// Scrubbed is what a scrub found.
type Scrubbed struct {
	Blobs int64 // read
	Bytes int64
	Rot   []Rot
}

// Scrub reads every blob of the tenants to its end and compares its hash. Damage is in the result, not in the error,
// which is a *rls.SweepError when tenants could not be read for other reasons. A blob is mended by putting its content
// again, or by restoring the object; scope Global mends copies by itself when another tenant puts the content.
func (s *Store) Scrub(op tenant.Operator, tenants iter.Seq[tenant.ID]) (Scrubbed, error) {
	var out Scrubbed
	err := rls.EachTenant(op, tenants, func(tc tenant.Context) error {
		for ref, err := range s.refs(tc, "Scrub") {
			if err != nil {
				return err
			}
			switch n, err := s.readThrough(tc, ref); {
			case errors.Is(err, ErrNotFound): // deleted meanwhile
			case errors.Is(err, ErrCorrupt), errors.Is(err, ErrShredded):
				out.Rot = append(out.Rot, Rot{tc.Tenant(), ref, err})
			case err != nil:
				return err
			default:
				out.Blobs++
				out.Bytes += n
			}
		}
		return nil
	})
	if err != nil {
		return out, fail("Scrub", nil, err)
	}
	return out, nil
}

func (s *Store) readThrough(tc tenant.Context, ref Ref) (int64, error) {
	r, err := s.Open(tc, ref)
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }() // nothing was written
	return io.Copy(io.Discard, r)
}

// refs gives all references of the tenant, in their own order, so that what comes and goes meanwhile moves no others.
func (s *Store) refs(tc tenant.Context, op string) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) {
		for after := ""; ; {
			page, err := rls.All[Ref](tc, s.db, s.statements.owned, query.Args{"after": after, "max": batch})
			if err != nil {
				yield(Ref{}, fromDB(op, err))
				return
			}
			for _, ref := range page {
				if !yield(ref, nil) {
					return
				}
			}
			if len(page) < batch {
				return
			}
			after = page[len(page)-1].String()
		}
	}
}

// UniquelyOwned gives the tenant's blobs whose content no other tenant has: what would be gone with the tenant. With scope
// PerTenant it is all of them.
//
// It takes an operator, who enters the tenant, because the answer tells what others have: no tenant may ask.
func (s *Store) UniquelyOwned(op tenant.Operator, id tenant.ID) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		tc, err := op.Enter(id)
		if err != nil {
			yield(Info{}, fail("UniquelyOwned", nil, err))
			return
		}
		for after := ""; ; {
			page, err := rls.All[infoRow](tc, s.db, s.statements.alone, query.Args{"after": after, "max": batch})
			if err != nil {
				yield(Info{}, fromDB("UniquelyOwned", err))
				return
			}
			for _, row := range page {
				if !yield(row.info(), nil) {
					return
				}
			}
			if len(page) < batch {
				return
			}
			after = page[len(page)-1].Ref.String()
		}
	}
}

// Shred erases the tenant's key and with it, for good and in all backups of the storage, the content that it sealed, at
// once and however much there is. Rows stay until they are deleted; opening one is ErrShredded. Other processes forget
// the key within Config.KeyLife. The tenant can't put anything any more.
//
// Errors: ErrConfig without Config.Keys, or with scope Global, where one key seals everybody's content.
func (s *Store) Shred(op tenant.Operator, id tenant.ID) error {
	if s.ring == nil || s.config.Scope == Global {
		return refuse("Shred", ErrConfig, "only scope PerTenant with Config.Keys has keys to erase; delete the blobs instead")
	}
	tc, err := op.Enter(id)
	if err != nil {
		return fail("Shred", nil, err)
	}
	name := TenantKey(id)
	if err := s.config.Keys.Erase(context.Context(tc), name); err != nil {
		return fail("Shred", nil, err)
	}
	s.ring.forget(name)
	_, err = one[int64](s, tc, "Shred", s.statements.forgetKeys)
	return err
}
