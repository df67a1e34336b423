package blob

import (
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Page says which part of a list to give. Its zero value is the first page.
type Page struct {
	Token string // List's token of the page before; empty for the first page
	Limit int    // 1 to 1,000; default 100. The same for all pages of a list
}

const (
	defaultPage = 100
	maxPage     = 1000
)

// List gives the tenant's blobs, the newest first, and the token of the next page, which is empty after the last one. A
// late page costs what the first one does. A token works for its tenant alone.
//
// Errors: query.ErrPage for a token that is not this tenant's, this Limit's or this Config.Sealer's; those of package rls.
func (s *Store) List(tc tenant.Context, p Page) (blobs []Info, next string, err error) {
	limit := p.Limit
	if limit == 0 {
		limit = defaultPage
	}
	if limit < 1 || limit > maxPage {
		return nil, "", refuse("List", query.ErrPage, "Limit is 1 to 1,000")
	}
	args := query.Args{"max": int64(limit)}
	stmt, bound, err := s.statements.list.Page(tc, s.config.Sealer, p.Token, args)
	if err != nil {
		return nil, "", fail("List", nil, err)
	}
	rows, err := rls.All[infoRow](tc, s.db, stmt, bound)
	if err != nil {
		return nil, "", fromDB("List", err)
	}
	blobs = make([]Info, len(rows))
	for i, row := range rows {
		blobs[i] = row.info()
	}
	if len(rows) < limit {
		return blobs, "", nil
	}
	last := rows[len(rows)-1]
	next, err = s.statements.list.Next(tc, s.config.Sealer, query.Args{"created_at": last.CreatedAt, "ref": last.Ref.String()}, args)
	return blobs, next, fromDB("List", err)
}
