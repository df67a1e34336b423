package blob

import (
	"time"

	"github.com/septum-go/septum/query"
)

// statements are all that a Store runs, proved on the catalog of its database. Whatever touches more than the tenant's
// own rows is a call of a function that takes the tenant from the transaction's setting.
type statements struct {
	begin, addKey, finish, noteUpload, abandon      *query.Statement
	locate, remove, usage                           *query.Statement
	uploads, loose, garbage, done, known            *query.Statement
	copies, merge, merged, alone, forgetKeys, owned *query.Statement
	list                                            *query.Pages
}

func newStatements(c *query.Catalog) (*statements, error) {
	s := &statements{}
	for _, define := range []struct {
		into **query.Statement
		sql  string
	}{
		{&s.begin, `select ref_key, data_key::text as data_key, wrapped, bytes, lately
			from septum_blob.begin(@key, @candidate, @shared, @quota)`},
		{&s.addKey, `select data_key::text as data_key, wrapped from septum_blob.add_key(@wrapped, @shared)`},
		{&s.finish, `select outcome from septum_blob.finish(@key, @ref, @hash, @size, @media_type, @name, @sealing, @row_key,
			@data_key, @merge, @max_blobs, @max_bytes)`},
		{&s.noteUpload, `select lately from septum_blob.note_upload(@bytes)`},
		{&s.abandon, `select outcome from septum_blob.abandon(@key)`},
		{&s.locate, `select ref, size, media_type, name, created_at, key, hash, sealing, row_key, data_key::text as data_key,
			wrapped, shared from septum_blob.locate(@ref)`},
		{&s.remove, `delete from septum_blob.blobs where tenant_id = @tenant and ref = @ref`},
		{&s.usage, `select blobs, bytes from septum_blob.usage()`},
		{&s.uploads, `select swept from septum_blob.sweep_uploads(@grace, @max)`},
		{&s.loose, `select looked, freed from septum_blob.sweep_loose(@max)`},
		{&s.garbage, `select key from septum_blob.sweep_garbage(@after, @max)`},
		{&s.done, `select forgotten from septum_blob.sweep_done(@keys)`},
		{&s.known, `select key from septum_blob.sweep_known(@keys)`},
		{&s.copies, `select id::text as id, older::text as older, hash, size, key, sealing, row_key, data_key::text as data_key,
			wrapped, older_key, older_sealing, older_row_key, older_data_key::text as older_data_key, older_wrapped
			from septum_blob.sweep_copies(@max)`},
		{&s.merge, `select merged from septum_blob.sweep_merge(@from, @into)`},
		{&s.merged, `select forgotten from septum_blob.sweep_merged(@ids)`},
		{&s.alone, `select ref, size, media_type, name, created_at from septum_blob.alone(@after, @max)`},
		{&s.forgetKeys, `select forgotten from septum_blob.forget_keys()`},
		{&s.owned, `select ref from septum_blob.blobs where tenant_id = @tenant and ref > @after order by ref limit @max`},
	} {
		statement, err := query.Static(c, define.sql)
		if err != nil {
			return nil, err
		}
		*define.into = statement
	}
	var err error
	s.list, err = query.Paged(c.Select("b.ref", "b.size", "b.media_type", "b.name", "b.created_at").
		From(relation+" b").LimitArg("max"), "b.created_at desc", "b.ref desc")
	return s, err
}

// begunRow is what begin gives.
type begunRow struct {
	RefKey []byte
	keyRow
	Bytes, Lately int64 // with a quota
}

// keyRow is a wrapped data key.
type keyRow struct {
	DataKey *string
	Wrapped []byte
}

// infoRow is a row of the relation.
type infoRow struct {
	Ref       Ref
	Size      int64
	MediaType string
	Name      string
	CreatedAt time.Time
}

// Info is what is known of a blob.
type Info struct {
	Ref       Ref
	Size      int64  // bytes of content
	MediaType string // pinned when the content came in
	Name      string // as given to the last Put of this content; data, never a path
	Created   time.Time
}

func (r infoRow) info() Info {
	return Info{Ref: r.Ref, Size: r.Size, MediaType: r.MediaType, Name: r.Name, Created: r.CreatedAt}
}

// locatedRow is a blob with the place of its bytes.
type locatedRow struct {
	infoRow
	storedRow
	Shared bool
}

// storedRow is an object with what it takes to read it.
type storedRow struct {
	Key     string
	Hash    []byte
	Sealing string
	RowKey  []byte
	DataKey *string
	Wrapped []byte
}
