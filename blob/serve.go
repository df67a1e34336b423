package blob

import (
	"mime"
	"net/http"

	"github.com/septum-go/septum/tenant"
)

// Serve answers a GET or HEAD request with the tenant's blob: as an attachment under its name, with its pinned media type
// and nosniff, so that no browser makes a page of it (threat B07), and with ranges. The error is that of Open,
// and nothing was written then; package tenanthttp makes a response of it.
//
//	mux.Handle("GET /documents/{ref}", tenanthttp.Handler(auth, func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
//		ref, err := blob.ParseRef(r.PathValue("ref"))
//		if err != nil {
//			return blob.ErrNotFound
//		}
//		return documents.Serve(tc, w, r, ref)
//	}))
//
// Damage that is found after the response began ends the connection, so that the client knows that it has not got all.
func (s *Store) Serve(tc tenant.Context, w http.ResponseWriter, r *http.Request, ref Ref) error {
	blob, err := s.Open(tc, ref)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // nothing was written
	info := blob.Info()
	h := w.Header()
	h.Set("Content-Type", servedType(info.MediaType))
	h.Set("Content-Disposition", disposition(info.Name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
	h.Set("ETag", `"`+info.Ref.String()+`"`)
	if info.Size == 0 && r.Header.Get("Range") != "" {
		r = r.Clone(tc) // nothing has no parts; net/http would answer "bytes=-1" with part 0 to -1
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, "", info.Created, blob)
	return nil // what the response lacks then, the server notices by its length
}

// servedType is the media type on the wire: what a browser might run goes as bytes.
func servedType(pinned string) string {
	if isActive(pinned) {
		return unknownType
	}
	return pinned
}

// disposition quotes the name; mime writes RFC 2231's form where it has other letters than ASCII's.
func disposition(name string) string {
	if name == "" {
		return "attachment"
	}
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" {
		return d
	}
	return "attachment"
}
