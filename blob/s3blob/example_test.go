package s3blob_test

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/septum-go/septum/blob/s3blob"
)

func ExampleNew() {
	_, err := s3blob.New(s3blob.Config{
		AWS:    aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")},
		Bucket: "clinic-blobs",
		Prefix: "documents/",
	})
	fmt.Println(err)
	// Output: <nil>
}
