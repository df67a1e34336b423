package blob

import (
	"mime"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Meta is what is known of content beside its bytes.
type Meta struct {
	// Name is the file's name as people know it, at most 255 bytes of UTF-8 without control characters. It is data: no
	// path is ever made of it. May be empty.
	Name string
	// MediaType is what the sender calls the content. It counts only where the bytes don't say what they are, and never
	// makes them something that a browser would run. May be empty.
	MediaType string
	// Progress, when set, is called after each 128 KiB or so with the bytes read until then, in the goroutine of Put.
	Progress func(read int64)
}

const (
	maxName      = 255
	maxMediaType = 127
	unknownType  = "application/octet-stream"
)

func (m Meta) check(op string) error {
	switch {
	case len(m.Name) > maxName:
		return refuse(op, ErrMeta, "a name has at most 255 bytes")
	case !utf8.ValidString(m.Name) || strings.ContainsFunc(m.Name, unprintable):
		return refuse(op, ErrMeta, "a name is UTF-8 without control characters")
	}
	if m.MediaType != "" {
		base, _, err := mime.ParseMediaType(m.MediaType)
		if err != nil || !strings.Contains(base, "/") || len(m.MediaType) > maxMediaType {
			return refuse(op, ErrMeta, "the media type is not of the form type/subtype")
		}
	}
	return nil
}

// unprintable also holds for marks that turn the writing direction, by which "gpj.exe" looks like "exe.jpg".
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// pinMediaType decides once, when the content comes in, what it will be called for good. The bytes have the first word
// (threat B07: a picture that is a web page); where they say no more than "bytes" or "text" the sender's word counts,
// unless a browser would run what it names.
func pinMediaType(head []byte, declared string) string {
	sniffed := http.DetectContentType(head)
	base, _, _ := mime.ParseMediaType(sniffed)
	claim, _, err := mime.ParseMediaType(declared)
	switch {
	case err != nil || claim == base || isActive(claim):
		return sniffed
	case base == unknownType, base == "text/plain", base == "application/zip" && strings.HasPrefix(claim, "application/"):
		return strings.ToLower(claim)
	}
	return sniffed
}

// isActive knows the types that browsers run, or that hold what they run.
func isActive(mediaType string) bool {
	base, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return true
	}
	switch base {
	case "text/html", "text/xml", "application/xml", "text/css", "application/pdf+xml", "multipart/x-mixed-replace",
		"application/x-shockwave-flash", "text/cache-manifest", "application/wasm":
		return true
	}
	return strings.HasSuffix(base, "+xml") || strings.Contains(base, "javascript") || strings.Contains(base, "ecmascript") ||
		strings.Contains(base, "html")
}
