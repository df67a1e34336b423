package rls

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/septum-go/septum/tenant"
)

// Credentials give what is needed to log in. They are asked for each new connection, never once for all, so a password
// that was changed holds from the next connection on, without a restart. They must be safe for concurrent use.
type Credentials interface {
	// Credential gives the way into a target. An error is ErrCredentials for the request; its text is not repeated.
	Credential(ctx context.Context, ask CredentialRequest) (Credential, error)
}

// CredentialRequest says for what credentials are asked.
type CredentialRequest struct {
	Target string    // Entry.Target
	Login  string    // Entry.Login; empty for the target's own user
	Tenant tenant.ID // zero where tenants share the login
	// Again is true when the server refused the password that was given a moment ago: what was cached is out of date.
	Again bool
}

// Credential is a way into a database. It prints as nothing but its kind, whatever prints it.
type Credential struct {
	// URL is a PostgreSQL URL or keyword string, under the rules of [Config].URL. It need not hold the password.
	URL string
	// Password, when set, is used in place of the URL's.
	Password string
}

const hidden = "rls.Credential(hidden)"

// String implements fmt.Stringer, and hides everything.
func (Credential) String() string { return hidden }

// GoString implements fmt.GoStringer for %#v.
func (Credential) GoString() string { return hidden }

// Format implements fmt.Formatter, for every verb.
func (Credential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue implements slog.LogValuer.
func (Credential) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON implements json.Marshaler.
func (Credential) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// CredentialsFunc makes Credentials of a function: a client of a vault.
type CredentialsFunc func(ctx context.Context, ask CredentialRequest) (Credential, error)

// Credential implements Credentials.
func (f CredentialsFunc) Credential(ctx context.Context, ask CredentialRequest) (Credential, error) {
	return f(ctx, ask)
}

// EnvCredentials read environment variables, whose names stand under "target" and "target/login": the first holds the
// URL, the second that login's password. Without a second one the URL's password is used, for the URL's own user only.
type EnvCredentials map[string]string

// Credential implements Credentials.
func (e EnvCredentials) Credential(_ context.Context, ask CredentialRequest) (Credential, error) {
	return assemble(ask, func(name string) (string, error) {
		variable, known := e[name]
		if !known {
			return "", fs.ErrNotExist
		}
		return os.Getenv(variable), nil
	})
}

// FileCredentials read a directory in which each target has a directory of its own: "target/url" holds the URL, and
// "target/login" that login's password, as a Kubernetes secret is mounted. Files are read for each new connection, so
// replacing one is all that a rotation takes. A login whose name is no file name has its password in the file of [LoginFile].
type FileCredentials struct{ Dir string }

// Credential implements Credentials. Nothing outside the directory is read, also through symbolic links that lead out.
func (c FileCredentials) Credential(_ context.Context, ask CredentialRequest) (Credential, error) {
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return Credential{}, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	return assemble(ask, func(name string) (string, error) {
		target, login, _ := strings.Cut(name, "/")
		if !isReference(target) {
			return "", fs.ErrNotExist
		}
		file := "url"
		if login != "" {
			file = LoginFile(login)
		}
		text, err := fs.ReadFile(root.FS(), target+"/"+file)
		return strings.TrimRight(string(text), "\r\n"), err
	})
}

// LoginFile is the name of the file in which [FileCredentials] look for a login's password.
func LoginFile(login string) string {
	if isReference(login) && login != "url" && !strings.HasPrefix(login, "login-") {
		return login
	}
	return fmt.Sprintf("login-%x", login)
}

// assemble makes a credential of what is stored under "target" and "target/login".
func assemble(ask CredentialRequest, read func(name string) (string, error)) (Credential, error) {
	url, err := read(ask.Target)
	if err != nil {
		return Credential{}, err
	}
	if url == "" {
		return Credential{}, errors.New("the target's URL is empty")
	}
	if ask.Login == "" {
		return Credential{URL: url}, nil
	}
	password, err := read(ask.Target + "/" + ask.Login)
	if errors.Is(err, fs.ErrNotExist) {
		return Credential{URL: url}, nil // the URL's own password, if it is the URL's own user
	}
	return Credential{URL: url, Password: password}, err
}
