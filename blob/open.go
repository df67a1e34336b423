package blob

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// Open finds a blob of the tenant and gives a Reader at its beginning, which must be closed. Nothing is read from the
// storage before the first Read.
//
// Errors: ErrNotFound, also for another tenant's reference and for the zero Ref; ErrShredded; those of package rls.
func (s *Store) Open(tc tenant.Context, ref Ref) (*Reader, error) {
	found, err := s.locate(tc, "Open", ref)
	if err != nil {
		return nil, err
	}
	return &Reader{store: s, tc: tc, object: found.object, info: found.info(), digest: newDigest()}, nil
}

// Stat tells about a blob of the tenant. Errors: as Open, but ErrShredded.
func (s *Store) Stat(tc tenant.Context, ref Ref) (Info, error) {
	row, err := s.row(tc, "Stat", ref)
	return row.info(), err
}

// Delete removes a blob of the tenant. Its bytes go with a later Sweep, if nobody else has them, so that the time it takes
// tells nothing. Errors: ErrNotFound as in Open, ErrInUse, those of package rls.
func (s *Store) Delete(tc tenant.Context, ref Ref) error {
	err := s.db.Exec(tc, s.statements.remove, query.Args{"ref": ref.String()})
	var server *pgconn.PgError
	switch {
	case errors.Is(err, query.ErrNotFound):
		return refuse("Delete", ErrNotFound, "")
	case errors.As(err, &server) && (server.Code == "23503" || server.Code == "23001"): // a foreign key, restricting
		return refuse("Delete", ErrInUse, "delete the rows that refer to it first")
	}
	return fromDB("Delete", err)
}

// row asks the database for a blob of the tenant. What is another tenant's takes the same way as what is not there.
func (s *Store) row(tc tenant.Context, op string, ref Ref) (locatedRow, error) {
	row, err := one[locatedRow](s, tc, op, s.statements.locate, query.Args{"ref": ref.String()})
	if errors.Is(err, query.ErrNotFound) {
		return locatedRow{}, refuse(op, ErrNotFound, "")
	}
	return row, err
}

// object is stored content with all that it takes to read it.
type object struct {
	key    Key
	hash   [32]byte
	size   int64
	secret []byte // nil: stored plainly
}

type located struct {
	infoRow
	object object
}

func (s *Store) locate(tc tenant.Context, op string, ref Ref) (located, error) {
	row, err := s.row(tc, op, ref)
	if err != nil {
		return located{}, err
	}
	name := TenantKey(tc.Tenant())
	if row.Shared {
		name = SharedKey()
	}
	object, err := s.object(tc, op, row.storedRow, row.Size, name)
	return located{row.infoRow, object}, err
}

// object finds the key of stored content.
func (s *Store) object(ctx context.Context, op string, row storedRow, size int64, name KeyName) (object, error) {
	key, ok := ParseKey(row.Key)
	if !ok || len(row.Hash) != 32 {
		return object{}, refuse(op, ErrCorrupt, "the database's row is damaged")
	}
	out := object{key: key, size: size, hash: [32]byte(row.Hash)}
	switch sealing(row.Sealing) {
	case plainly:
	case byRowKey:
		out.secret = row.RowKey
		if len(out.secret) != dataKeySize {
			return object{}, refuse(op, ErrShredded, "")
		}
	default:
		if row.DataKey == nil || row.Wrapped == nil {
			return object{}, refuse(op, ErrShredded, "")
		}
		if s.ring == nil {
			return object{}, refuse(op, ErrConfig, "the content is sealed with a key of Config.Keys, which is not set")
		}
		secret, err := s.ring.open(ctx, name, *row.DataKey, row.Wrapped)
		if err != nil {
			return object{}, keyError(op, err)
		}
		out.secret = secret
	}
	return out, nil
}
