package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aead.dev/minisign"
)

// signPassword is the environment variable with the password of a secret key. Keys are made by minisign -G; one without a
// password is made by minisign -G -W.
const signPassword = "SEPTUM_SIGN_PASSWORD"

// secretKey reads a secret key of minisign's.
func secretKey(file string) (minisign.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return minisign.PrivateKey{}, err
	}
	var key minisign.PrivateKey
	if !minisign.IsEncrypted(text) {
		if err := key.UnmarshalText(text); err != nil {
			return key, fmt.Errorf("%s is no secret key of minisign's", file)
		}
		return key, nil
	}
	password, ok := os.LookupEnv(signPassword)
	if !ok {
		return key, fmt.Errorf("%s is locked by a password: put it into %s", file, signPassword)
	}
	if key, err = minisign.DecryptKey(password, text); err != nil {
		return key, fmt.Errorf("%s can't be opened with the password in %s", file, signPassword)
	}
	return key, nil
}

// sign makes the signature of a file's bytes. The trusted comment, which is signed as well, says when and which file.
func sign(key minisign.PrivateKey, name string, data []byte, now time.Time) []byte {
	trusted := fmt.Sprintf("timestamp:%d\tfile:%s\tsha256:%s", now.Unix(), strings.Join(strings.Fields(filepath.Base(name)), "_"), hashOf(data))
	return minisign.SignWithComments(key, data, trusted, "signature by septum report")
}

// errForged: a signature does not fit the file and the key.
var errForged = errors.New("the signature does not belong to this file and this key")

// checkSignature gives the trusted comment of a good signature.
func checkSignature(publicKeyFile, signatureFile string, data []byte) (string, error) {
	key, err := minisign.PublicKeyFromFile(publicKeyFile)
	if err != nil {
		return "", fmt.Errorf("%s is no public key of minisign's: %w", publicKeyFile, err)
	}
	text, err := os.ReadFile(signatureFile)
	if err != nil {
		return "", err
	}
	var signature minisign.Signature
	if signature.UnmarshalText(text) != nil || !minisign.Verify(key, data, text) {
		return "", errForged
	}
	return signature.TrustedComment, nil
}
