package blob

import "github.com/septum-go/septum/query"

// relation is what a tenant owns; see migrations.
const relation = "septum_blob.blobs"

// The SECURITY DEFINER functions that stand for all that the application's login may not touch itself. What writes is told
// apart, so that a tenant that a Directory lets only read can't write by a SELECT.
var (
	readers = [...]string{"locate", "usage", "sweep_garbage", "sweep_known", "sweep_copies", "alone"}
	writers = [...]string{
		"begin", "add_key", "finish", "note_upload", "abandon",
		"sweep_uploads", "sweep_loose", "sweep_done", "sweep_merge", "sweep_merged", "forget_keys",
	}
)

func qualified(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = "septum_blob." + name
	}
	return out
}

// Relations declares what this package keeps in the application's database, and belongs into the catalog that rls.Open
// is given:
//
//	query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients"), blob.Relations())
//
// It is one tenant relation, septum_blob.blobs, with the columns tenant_id, ref, size, media_type, name and created_at,
// and the functions of the schema septum_blob. The type of its tenant column is the catalog's. Statements of yours may
// join it, and tables may refer to it:
//
//	foreign key (tenant_id, scan) references septum_blob.blobs (tenant_id, ref)
//
// keeps a blob from being deleted while a row needs it. Writing it is for Store alone; the database refuses anything but
// the deletion of rows.
func Relations() query.CatalogOption {
	return query.CatalogOptions(
		query.WithRelation(query.Relation{
			Name: relation, Kind: query.TenantKind, Column: "tenant_id",
			Columns: []query.Column{
				{Name: "tenant_id"}, {Name: "ref", Type: "text"}, {Name: "size", Type: "bigint"},
				{Name: "media_type", Type: "text"}, {Name: "name", Type: "text"}, {Name: "created_at", Type: "timestamptz"},
			},
			Key: []string{"ref"},
		}),
		query.WithFunctions(qualified(readers[:])...),
		query.WithWriters(qualified(writers[:])...),
	)
}
