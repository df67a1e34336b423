package rls

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/internal/scram"
)

// NewPassword makes a password of 130 random bits, of capital letters and digits.
func NewPassword() string { return rand.Text() }

// SetPassword gives a login a new password, on the connection of a role that may. The server gets a SCRAM verifier
// (RFC 5802, RFC 7677) and never the password, so that no log of it can hold one. Connections that are open stay; new
// ones need the new password. So a rotation is: change what Credentials give, then call SetPassword, or the other way
// round: who connects in between asks Credentials once more and, should that not help, fails with ErrCredentials.
//
// A password is 8 to 128 printable characters of ASCII, which need no SASLprep.
func SetPassword(ctx context.Context, owner *pgx.Conn, login, password string) error {
	if len(password) < 8 || len(password) > 128 {
		return fmt.Errorf("rls: SetPassword: %w: a password has 8 to 128 characters", ErrOptions)
	}
	for i := range len(password) {
		if password[i] < ' ' || password[i] > '~' {
			return fmt.Errorf("rls: SetPassword: %w: a password has printable ASCII characters only", ErrOptions)
		}
	}
	verifier, err := scram.Verifier(password, scram.DefaultRounds)
	if err != nil {
		return fmt.Errorf("rls: SetPassword: %w", err)
	}
	if _, err := owner.Exec(ctx, "alter role "+quoteName(login)+" password "+quoteText(verifier)); err != nil {
		return fmt.Errorf("rls: SetPassword: %w", err)
	}
	return nil
}

// connectOwner connects for provisioning and migrating: encrypted or to this machine, as everything else.
func connectOwner(ctx context.Context, credentials Credentials, ask CredentialRequest) (*pgx.Conn, error) {
	cred, err := credentials.Credential(ctx, ask)
	if err != nil {
		return nil, because{ErrCredentials, unsaid{err}}
	}
	config, err := pgx.ParseConfig(cred.URL)
	if err != nil {
		return nil, because{ErrCredentials, fmt.Errorf("the URL of %s can't be read as a PostgreSQL URL or keyword string", ask.Target)}
	}
	if cred.Password != "" {
		config.Password = cred.Password
	}
	if reasons := inspectURL(config); cannotConnect(reasons) {
		return nil, &OpenError{Reasons: reasons}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	switch {
	case isWrongPassword(err):
		return nil, because{ErrCredentials, err}
	case err != nil:
		return nil, because{ErrUnavailable, err}
	case !isPrivate(conn.PgConn().Conn()):
		closeOwner(ctx, conn)
		return nil, &OpenError{Reasons: []Reason{unencrypted(config.Host)}}
	}
	return conn, nil
}

func closeOwner(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // it is of no use any more, whatever it says
}
