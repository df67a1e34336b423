package s3blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/septum-go/septum/blob"
)

// Put implements blob.Driver.
func (d *Driver) Put(ctx context.Context, key blob.Key, r io.Reader) error {
	if key.IsZero() {
		return errors.New("s3blob: put: the key is the zero value")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var part bytes.Buffer
	last, err := d.fill(ctx, &part, r)
	if err != nil {
		return err
	}
	if last {
		return d.putWhole(ctx, key, part.Bytes())
	}
	return d.putParts(ctx, key, &part, r)
}

// fill reads the next part; last tells that the source ended with it. Small objects need small buffers.
func (d *Driver) fill(ctx context.Context, part *bytes.Buffer, r io.Reader) (last bool, err error) {
	part.Reset()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	n, err := io.CopyN(part, r, d.config.PartSize)
	switch {
	case err == io.EOF && n < d.config.PartSize:
		return true, nil
	case err != nil:
		return false, err
	}
	return false, ctx.Err()
}

func checksum(content []byte) *string {
	sum := sha256.Sum256(content)
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

// kmsKey is nil for none, which is not the same as an empty one.
func (d *Driver) kmsKey() *string {
	if d.config.KMSKey == "" {
		return nil
	}
	return aws.String(d.config.KMSKey)
}

func (d *Driver) putWhole(ctx context.Context, key blob.Key, content []byte) error {
	_, err := d.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(d.config.Bucket), Key: d.name(key), Body: bytes.NewReader(content),
		ContentLength: aws.Int64(int64(len(content))), ContentType: aws.String("application/octet-stream"),
		ChecksumSHA256: checksum(content), IfNoneMatch: aws.String("*"),
		ServerSideEncryption: d.config.Encryption, SSEKMSKeyId: d.kmsKey(),
	})
	if err == nil {
		return nil
	}
	// When the reply was lost the object may be there; that is told as an error, and the Store deletes the key then.
	return fail(ctx, "put", err)
}

func (d *Driver) putParts(ctx context.Context, key blob.Key, part *bytes.Buffer, r io.Reader) (err error) {
	bucket, name := aws.String(d.config.Bucket), d.name(key)
	// S3 compares the condition at the end only; asking first saves an upload under a taken key.
	switch _, err := d.Stat(ctx, key); {
	case err == nil:
		return blob.ErrExist
	case !errors.Is(err, blob.ErrNotExist):
		return err
	}
	upload, err := d.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: bucket, Key: name, ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ContentType: aws.String("application/octet-stream"),
		ServerSideEncryption: d.config.Encryption, SSEKMSKeyId: d.kmsKey(),
	})
	if err != nil {
		return fail(ctx, "put", err)
	}
	done := false
	defer func() {
		if !done { // also when r panics
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
			defer cancel()
			_ = d.abort(ctx, key, upload.UploadId) // or a sweep does
		}
	}()
	var parts []types.CompletedPart
	for last := false; ; {
		if len(parts) == maxParts {
			return errors.New("s3blob: put: the object has more than 10,000 parts; raise Config.PartSize")
		}
		if part.Len() > 0 || len(parts) == 0 {
			sum, number := checksum(part.Bytes()), aws.Int32(int32(len(parts)+1))
			uploaded, err := d.client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: bucket, Key: name, UploadId: upload.UploadId, PartNumber: number,
				Body: bytes.NewReader(part.Bytes()), ContentLength: aws.Int64(int64(part.Len())), ChecksumSHA256: sum,
			})
			if err != nil {
				return fail(ctx, "put", err)
			}
			parts = append(parts, types.CompletedPart{ETag: uploaded.ETag, PartNumber: number, ChecksumSHA256: sum})
		}
		if last {
			break
		}
		if last, err = d.fill(ctx, part, r); err != nil {
			return err
		}
	}
	_, err = d.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: name, UploadId: upload.UploadId, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		return fail(ctx, "put", err)
	}
	done = true
	return nil
}

// cleanupTime bounds what is done about an upload that failed; a sweep does the rest.
const cleanupTime = 10 * time.Second

// abort ends an upload in parts.
func (d *Driver) abort(ctx context.Context, key blob.Key, upload *string) error {
	_, err := d.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(d.config.Bucket), Key: d.name(key), UploadId: upload,
	})
	var gone *types.NoSuchUpload
	if errors.As(err, &gone) {
		return nil
	}
	return fail(ctx, "delete", err)
}
