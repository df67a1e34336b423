package s3blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/septum-go/septum/blob"
)

// Get implements blob.Driver.
func (d *Driver) Get(ctx context.Context, key blob.Key, offset int64) (io.ReadCloser, error) {
	if key.IsZero() || offset < 0 {
		return nil, errors.New("s3blob: get: there is no such place")
	}
	in := &s3.GetObjectInput{Bucket: aws.String(d.config.Bucket), Key: d.name(key)}
	if offset > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	out, err := d.client.GetObject(ctx, in)
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable {
		return io.NopCloser(bytes.NewReader(nil)), nil // beyond the end there is nothing
	}
	if err != nil {
		return nil, fail(ctx, "get", err)
	}
	if offset > 0 && !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", offset)) {
		_ = out.Body.Close() // it is of no use
		return nil, errors.New("s3blob: get: the server gave another part than it was asked for; does it, or a proxy, know Range?")
	}
	return &body{ctx: ctx, r: out.Body}, nil
}

// body tells why reading ended.
type body struct {
	ctx context.Context
	r   io.ReadCloser
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = fail(b.ctx, "get", err)
	}
	return n, err
}

func (b *body) Close() error {
	_ = b.r.Close() // what was not read is of no interest, nor is how its connection ends
	return nil
}

// Stat implements blob.Driver.
func (d *Driver) Stat(ctx context.Context, key blob.Key) (blob.Object, error) {
	if key.IsZero() {
		return blob.Object{}, blob.ErrNotExist
	}
	head, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(d.config.Bucket), Key: d.name(key)})
	if err != nil {
		return blob.Object{}, fail(ctx, "stat", err)
	}
	return blob.Object{Key: key, Size: aws.ToInt64(head.ContentLength), Modified: aws.ToTime(head.LastModified)}, nil
}

// Delete implements blob.Driver.
func (d *Driver) Delete(ctx context.Context, key blob.Key) error {
	if key.IsZero() {
		return nil
	}
	for upload, err := range d.uploads(ctx, aws.ToString(d.name(key))) {
		if err != nil {
			return err
		}
		if upload.key == key {
			if err := d.abort(ctx, key, upload.id); err != nil && !errors.Is(err, blob.ErrNotExist) {
				return err
			}
		}
	}
	_, err := d.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(d.config.Bucket), Key: d.name(key)})
	if err = fail(ctx, "delete", err); errors.Is(err, blob.ErrNotExist) {
		return nil
	}
	return err
}

// List implements blob.Driver.
func (d *Driver) List(ctx context.Context) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(d.client, &s3.ListObjectsV2Input{
			Bucket: aws.String(d.config.Bucket), Prefix: aws.String(d.config.Prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(blob.Object{}, fail(ctx, "list", err))
				return
			}
			for _, o := range page.Contents {
				key, ok := d.keyOf(o.Key)
				if ok && !yield(blob.Object{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
		for upload, err := range d.uploads(ctx, d.config.Prefix) {
			if err != nil {
				yield(blob.Object{}, err)
				return
			}
			if !yield(blob.Object{Key: upload.key, Modified: upload.begun, Partial: true}, nil) {
				return
			}
		}
	}
}

// upload is one in parts that is under way, or was when its process ended.
type upload struct {
	key   blob.Key
	id    *string
	begun time.Time
}

func (d *Driver) uploads(ctx context.Context, prefix string) iter.Seq2[upload, error] {
	return func(yield func(upload, error) bool) {
		pages := s3.NewListMultipartUploadsPaginator(d.client, &s3.ListMultipartUploadsInput{
			Bucket: aws.String(d.config.Bucket), Prefix: aws.String(prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(upload{}, fail(ctx, "list", err))
				return
			}
			for _, u := range page.Uploads {
				if key, ok := d.keyOf(u.Key); ok && !yield(upload{key, u.UploadId, aws.ToTime(u.Initiated)}, nil) {
					return
				}
			}
		}
	}
}

// Link implements blob.Linker: a presigned URL, which works for whoever has it until it expires.
func (d *Driver) Link(ctx context.Context, key blob.Key, o blob.LinkOptions) (string, error) {
	request, err := s3.NewPresignClient(d.client).PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(d.config.Bucket), Key: d.name(key),
		ResponseContentType:        aws.String(o.MediaType),
		ResponseContentDisposition: aws.String(mime.FormatMediaType("attachment", map[string]string{"filename": o.Name})),
		ResponseCacheControl:       aws.String("private, no-store"),
	}, s3.WithPresignExpires(o.For))
	if err != nil {
		return "", fail(ctx, "link", err)
	}
	return request.URL, nil
}
