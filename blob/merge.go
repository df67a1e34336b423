package blob

import (
	"errors"
	"io"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// copyRow is new content with the oldest equal one, if there is one.
type copyRow struct {
	ID    string
	Older *string
	storedRow
	Size         int64
	OlderKey     *string
	OlderSealing *string
	OlderRowKey  []byte
	OlderDataKey *string
	OlderWrapped []byte
}

// mergeCopies has the tenant's new content share bytes with older equal content. The older copy is read to its end first:
// a good one is never given up for a damaged one. When it is damaged, its owners get the new copy instead.
func (s *Store) mergeCopies(tc tenant.Context, total *Swept) error {
	for {
		rows, err := rls.All[copyRow](tc, s.db, s.statements.copies, query.Args{"max": batch})
		if err != nil || len(rows) == 0 {
			return fromDB("Sweep", err)
		}
		ids := make([]string, 0, len(rows))
		for _, row := range rows {
			ids = append(ids, row.ID)
			if row.Older == nil {
				continue
			}
			from, into := row.ID, *row.Older
			older := storedRow{Key: *row.OlderKey, Hash: row.Hash, Sealing: *row.OlderSealing, RowKey: row.OlderRowKey,
				DataKey: row.OlderDataKey, Wrapped: row.OlderWrapped}
			switch err := s.verify(tc, older, row.Size); {
			case errors.Is(err, ErrCorrupt):
				total.Rotten++
				if err := s.verify(tc, row.storedRow, row.Size); err != nil {
					continue // both are damaged, or it can't be told: each keeps its own
				}
				from, into = into, from
			case err != nil:
				return err
			}
			n, err := one[int64](s, tc, "Sweep", s.statements.merge, query.Args{"from": from, "into": into})
			if err != nil {
				return err
			}
			total.Merged += n
		}
		if _, err := one[int64](s, tc, "Sweep", s.statements.merged, query.Args{"ids": ids}); err != nil {
			return err
		}
	}
}

// verify reads shared content to its end.
func (s *Store) verify(tc tenant.Context, row storedRow, size int64) error {
	o, err := s.object(tc, "Sweep", row, size, SharedKey())
	if err != nil {
		return err
	}
	r := &Reader{store: s, tc: tc, object: o, info: Info{Size: size}, digest: newDigest(), pinned: true}
	defer func() { _ = r.Close() }() // nothing was written
	_, err = io.Copy(io.Discard, r)
	return err
}
