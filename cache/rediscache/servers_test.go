package rediscache

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/redistest"
)

// worksOn is a round of all that needs a connection: two programs, a load, a change heard, a deletion's mark replaced.
func worksOn(t *testing.T, o Options[string, string]) {
	t.Helper()
	o.Tags = oneTag
	here, there, tc := open(t, o), open(t, o), newTenant(t, "works")
	load, loads := counted("v")
	require.Eventually(t, func() bool { return here.In(tc).Set("first", "v") == nil }, 10*time.Second, 10*time.Millisecond)
	for range 2 {
		v, err := here.In(tc).GetOrLoad("k", load)
		require.NoError(t, err)
		require.Equal(t, "v", v)
	}
	inProcess(t, there, tc, "k", "v")
	require.NoError(t, here.In(tc).Delete("k"))
	require.Eventually(t, func() bool { _, err := there.In(tc).Get("k"); return err != nil }, 5*time.Second, time.Millisecond)
	_, err := here.In(tc).GetOrLoad("k", load)
	require.NoError(t, err)
	inProcess(t, there, tc, "k", "v")
	require.NoError(t, here.In(tc).InvalidateTenant())
	require.Eventually(t, func() bool { _, err := there.In(tc).Get("k"); return err != nil }, 5*time.Second, time.Millisecond)
	require.Equal(t, 2, *loads)
	require.Zero(t, here.Stats().Incidents)
}

// A Sentinel says where the server is. The client subscribes to its news, so answers are more and fewer than questions there.
func TestASentinel(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	o := options(primary)
	o.Redis = rueidis.ClientOption{
		InitAddress: []string{redistest.Sentinel(t, "main", primary).Address}, Password: primary.Password,
		Sentinel: rueidis.SentinelOption{MasterSet: "main"},
	}
	worksOn(t, o)
}

// The connection is encrypted, and a server that can't prove who it is is not spoken to.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := certificate(t, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	s := redistest.Start(t, "--tls-port", port, "--tls-cert-file", dir+"/cert", "--tls-key-file", dir+"/key",
		"--tls-ca-cert-file", dir+"/cert", "--tls-auth-clients", "no")
	o := options(s)
	o.Redis.InitAddress = []string{address}
	o.Redis.TLSConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	worksOn(t, o)

	o.Redis.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // which knows no such authority
	c := open(t, o)
	err = c.In(newTenant(t, "tls")).Set("k", "v")
	require.ErrorIs(t, err, cache.ErrUnavailable)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	o.Redis.TLSConfig = nil
	require.ErrorIs(t, open(t, o).In(newTenant(t, "tls")).Set("k", "v"), cache.ErrUnavailable, "in the clear")
	_, err = s.Do(context.Background(), "PING")
	require.NoError(t, err)
}

// certificate writes a certificate of 127.0.0.1 that signed itself, and gives who believes it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	text := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, text, text, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return pool
}
