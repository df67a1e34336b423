package s3blob_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/septum-go/septum/blob/s3blob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bucket = "clinic-blobs"

// server is a versitygw of one test, on a directory of its own.
type server struct {
	t       *testing.T
	dir     string
	address string
	cmd     *exec.Cmd
	output  bytes.Buffer
}

// binary finds versitygw, or has it built as "make setup" does.
func binary(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	path := filepath.Join(root, ".bin", "versitygw")
	if _, err := os.Stat(path); err != nil {
		out, err := exec.CommandContext(t.Context(), filepath.Join(root, "scripts", "setup.sh"), "s3").CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return path
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "data"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "sidecar"), 0o700))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	require.NoError(t, listener.Close())
	s.start()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Log(s.output.String())
		}
	})
	_, err = s.client(s.aws(nil)).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	require.NoError(t, err)
	return s
}

// start starts the server and waits until it answers. Metadata is kept beside the data, since not every file system has
// extended attributes.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(binary(s.t), "--access", "access", "--secret", "secret-secret", "--port", s.address, "--quiet",
		"--health", "/health", "posix", "--sidecar", filepath.Join(s.dir, "sidecar"), filepath.Join(s.dir, "data"))
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(s.t, s.cmd.Start())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	require.Eventually(s.t, func() bool {
		r, err := client.Get("http://" + s.address + "/health")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond, "the server does not start")
}

func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// aws is a configuration whose requests go through a transport of the test's, if it is not nil.
func (s *server) aws(transport http.RoundTripper) aws.Config {
	if transport == nil {
		own := &http.Transport{}
		s.t.Cleanup(own.CloseIdleConnections)
		transport = own
	}
	return aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("access", "secret-secret", ""),
		HTTPClient: &http.Client{Transport: transport},
		// As by default, but for the pauses between tries.
		Retryer: func() aws.Retryer { return retry.AddWithMaxBackoffDelay(retry.NewStandard(), 20*time.Millisecond) },
	}
}

func (s *server) client(c aws.Config) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String("http://"+s.address), true })
}

func (s *server) driver(transport http.RoundTripper, configure ...func(*s3blob.Config)) *s3blob.Driver {
	s.t.Helper()
	c := s3blob.Config{AWS: s.aws(transport), Bucket: bucket, Endpoint: "http://" + s.address, PathStyle: true, PartSize: 5 << 20}
	for _, change := range configure {
		change(&c)
	}
	d, err := s3blob.New(c)
	require.NoError(s.t, err)
	return d
}

// roundTrip is a transport that a test tampers with.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
