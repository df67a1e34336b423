package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"io"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// Put stores the content of r, to its end, and gives its reference. When it returns nil, the blob survives a crash; when
// it returns an error there is no blob, unless the error is rls.ErrOutcomeUnknown.
//
// Content that the tenant has already is the same blob: Put gives the same Ref, and the last Name counts. In any case all
// bytes are read, sent and stored, and a copy is dropped later by Sweep, so that neither time nor result tell whether
// anybody has the content already (threats B01, B02).
//
// Errors: ErrMeta, ErrQuota, ErrTooLarge, ErrSource, ErrExpired, ErrStorage, ErrShredded, tenant.ErrUnbound, those of
// package rls, and the context's.
func (s *Store) Put(tc tenant.Context, r io.Reader, m Meta) (Ref, error) {
	if err := tc.Check(); err != nil {
		return Ref{}, fail("Put", nil, err)
	}
	if r == nil {
		return Ref{}, refuse("Put", ErrSource, "the reader is nil")
	}
	if err := m.check("Put"); err != nil {
		return Ref{}, err
	}
	quota := s.quotaOf(tc.Tenant())
	if quota.negative() { // what is left of something that is used up, perhaps; never "no bound"
		return Ref{}, refuse("Put", ErrQuota, "the tenant's Quota is negative")
	}
	up := upload{store: s, tc: tc, meta: m, quota: quota, key: NewKey()}
	return up.run(r)
}

// upload is one Put under way.
type upload struct {
	store   *Store
	tc      tenant.Context
	meta    Meta
	quota   Quota
	key     Key
	begun   begunRow
	sealing sealing
	secret  []byte
}

func (u *upload) run(r io.Reader) (Ref, error) {
	if err := u.begin(); err != nil {
		return Ref{}, err
	}
	in := &intake{
		ctx: u.tc, source: r, key: u.key, secret: u.secret, limit: u.quota.MaxSize, quota: u.room(), progress: u.meta.Progress,
		digest: newDigest(),
	}
	defer in.release()
	kept := false
	defer func() {
		if !kept { // also when the source, or a callback, panics
			u.giveUp(in.digest.size)
		}
	}()
	err := u.store.driver.Put(u.tc, u.key, in)
	if err = judge(in, err); err != nil {
		if errors.Is(err, ErrStorage) && u.abandon() == "expired" {
			return Ref{}, tooLong() // a sweep took the bytes away
		}
		return Ref{}, err
	}
	if err := u.noteRate(in.digest.size); err != nil {
		return Ref{}, err
	}
	ref, err := u.finish(in)
	if err != nil {
		err = u.settle(err)
	}
	kept = err == nil
	if !kept {
		ref = Ref{}
	}
	return ref, err
}

// room is how many bytes of content can't be too many for the quota; 0 when there is no bound.
func (u *upload) room() (most int64) {
	if u.quota.PerMinute > 0 {
		most = u.quota.PerMinute - u.begun.Lately
	}
	if u.quota.MaxBytes > 0 {
		// More than the tenant has is not there already, and more than the quota never fits: no use in filling the disk with it.
		if bytes := max(u.quota.MaxBytes, u.begun.Bytes); most == 0 || bytes < most {
			most = bytes
		}
	}
	return most
}

// begin announces the upload, and finds the key to seal with.
func (u *upload) begin() error {
	var candidate [32]byte
	_, _ = rand.Read(candidate[:])
	s := u.store
	shared := s.config.Scope == Global
	var err error
	u.begun, err = one[begunRow](s, u.tc, "Put", s.statements.begin,
		query.Args{"key": u.key.String(), "candidate": candidate[:], "shared": shared, "quota": u.quota != Quota{}})
	if err != nil {
		return known(err) // no bytes are stored yet, so there is no blob in any case
	}
	if u.quota.PerMinute > 0 && u.begun.Lately >= u.quota.PerMinute {
		err = refuse("Put", ErrQuota, "wait a minute before uploading more")
	} else {
		err = u.chooseKey(shared)
	}
	if err != nil {
		u.giveUp(0)
	}
	return err
}

func (u *upload) chooseKey(shared bool) error {
	s := u.store
	switch {
	case s.config.Plain:
		u.sealing = plainly
		return nil
	case s.ring == nil:
		u.sealing, u.secret = byRowKey, newSecret()
		return nil
	}
	u.sealing = byWrappedKey
	name := SharedKey()
	if !shared {
		name = TenantKey(u.tc.Tenant())
	}
	if u.begun.DataKey == nil {
		wrapped, err := s.config.Keys.Wrap(u.tc, name, newSecret())
		if err != nil {
			return keyError("Put", err)
		}
		row, err := one[keyRow](s, u.tc, "Put", s.statements.addKey, query.Args{"wrapped": wrapped, "shared": shared})
		if err != nil {
			return known(err)
		}
		u.begun.keyRow = row
	}
	secret, err := s.ring.open(u.tc, name, *u.begun.DataKey, u.begun.Wrapped)
	if err != nil {
		return keyError("Put", err)
	}
	u.secret = secret
	return nil
}

func keyError(op string, err error) error {
	if errors.Is(err, ErrShredded) {
		return refuse(op, ErrShredded, "")
	}
	return &Error{Op: op, Err: err, Hint: "look into Keys"}
}

// judge says whose fault it was that a driver's Put failed, and does not believe one that did not read everything.
func judge(in *intake, err error) error {
	switch {
	case in.err != nil && in.sink.err == nil:
		kind := error(nil)
		for _, k := range []error{ErrTooLarge, ErrQuota} {
			if errors.Is(in.err, k) {
				return refuse("Put", k, "")
			}
		}
		return fail("Put", kind, in.err)
	case err == nil && in.done && in.wait.Len() == 0:
		return nil
	case in.ctx.Err() != nil:
		return fail("Put", nil, context.Cause(in.ctx))
	case err == nil:
		return refuse("Put", ErrStorage, "the driver says that all is well, and has not read all")
	}
	return fail("Put", ErrStorage, err)
}

// noteRate counts the upload against the rate, and refuses it when others were faster.
func (u *upload) noteRate(bytes int64) error {
	if u.quota.PerMinute <= 0 || bytes == 0 {
		return nil
	}
	lately, err := one[int64](u.store, u.tc, "Put", u.store.statements.noteUpload, query.Args{"bytes": bytes})
	err = known(err)
	if err == nil && lately > u.quota.PerMinute {
		err = refuse("Put", ErrQuota, "wait a minute before uploading more")
		u.quota.PerMinute = 0 // counted already
	}
	return err
}

// finish makes the bytes a blob.
func (u *upload) finish(in *intake) (Ref, error) {
	hash := in.digest.sum()
	ref := newRef(u.begun.RefKey, hash)
	args := query.Args{
		"key": u.key.String(), "ref": ref.String(), "hash": hash[:], "size": in.digest.size,
		"media_type": pinMediaType(in.head, u.meta.MediaType), "name": u.meta.Name,
		"sealing": string(u.sealing), "row_key": []byte(nil), "data_key": (*string)(nil),
		"merge": u.store.config.Scope == Global, "max_blobs": bound(u.quota.MaxBlobs), "max_bytes": bound(u.quota.MaxBytes),
	}
	switch u.sealing {
	case byRowKey:
		args["row_key"] = u.secret
	case byWrappedKey:
		args["data_key"] = u.begun.DataKey
	}
	outcome, err := one[string](u.store, u.tc, "Put", u.store.statements.finish, args)
	var server *pgconn.PgError
	switch {
	case errors.As(err, &server) && server.ConstraintName == dataKeyConstraint:
		return Ref{}, refuse("Put", ErrShredded, "") // while the content was on its way
	case err != nil:
		return ref, err
	case outcome == "done":
		return ref, nil
	case outcome == "blobs":
		return Ref{}, refuse("Put", ErrQuota, "the tenant has as many blobs as it may")
	case outcome == "bytes":
		return Ref{}, refuse("Put", ErrQuota, "the tenant has as many bytes as it may")
	}
	return Ref{}, tooLong()
}

// dataKeyConstraint is the foreign key from content to the data key that sealed it.
const dataKeyConstraint = "content_data_key_fkey"

func tooLong() error {
	return refuse("Put", ErrExpired, "Config.Grace must be longer than the longest upload")
}
