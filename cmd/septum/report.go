package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const reportUsage = `usage: septum report html --audit FILE [--catalog FILE SQL…] [flags]
       septum report sign --key SECRET FILE
       septum report verify [--key PUBLIC] FILE

html makes one page for people out of what "septum audit --format json" printed, and of SQL files, whose statements it proves.
The page needs no network and runs no script; it prints, and is readable in light and dark. sign signs any file with a secret
key of minisign's (made by "minisign -G"; its password is read from SEPTUM_SIGN_PASSWORD) and writes FILE.minisig. verify checks
that the page is the one that its data make and, with --key, whose signature it bears.

  septum audit --catalog catalog.json --login clinic_app --format json > audit.json
  septum report html --audit audit.json --catalog catalog.json queries/*.sql > report.html
  septum report sign --key ~/.minisign/minisign.key report.html
  septum report verify --key minisign.pub report.html

Exit status: 0 made, signed or right, 1 not right, 2 could not run.

flags:
`

func report(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	var auditFile, catalogFile, by, key, signature string
	flags := newFlags("report", reportUsage, stderr)
	flags.StringVar(&auditFile, "audit", "", "JSON `file` of an audit (html)")
	flags.StringVar(&catalogFile, "catalog", "", "JSON `file` of the catalog by which statements are proved (html)")
	flags.StringVar(&by, "by", "", "`who` runs it (html); default: this user on this machine")
	flags.StringVar(&key, "key", "", "`file` of the secret (sign) or public (verify) key")
	flags.StringVar(&signature, "signature", "", "`file` of the signature; default: FILE.minisig (sign, verify)")
	switch command {
	case "html", "sign", "verify":
		args = args[1:]
	case "-h", "--help", "-help":
	default:
		return failed(stderr, fmt.Errorf("report can html, sign and verify, and not %q; see septum report --help", command))
	}
	if code, done := parseFlags(flags, args, stdout); done {
		return code
	}
	if command == "html" {
		return reportHTML(auditFile, catalogFile, by, flags.Args(), stdin, stdout, stderr)
	}
	if flags.NArg() != 1 {
		return failed(stderr, errors.New("name one file"))
	}
	file := flags.Arg(0)
	if signature == "" {
		signature = file + ".minisig"
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return failed(stderr, err)
	}
	if command == "sign" {
		return reportSign(file, key, signature, data, stdout, stderr)
	}
	return reportVerify(file, key, signature, data, stdout, stderr)
}

func reportHTML(auditFile, catalogFile, by string, files []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if auditFile == "" {
		return failed(stderr, errors.New("of which audit? Give --audit FILE"))
	}
	data, err := os.ReadFile(auditFile)
	if err != nil {
		return failed(stderr, err)
	}
	page := pageData{By: by}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&page.Audit); err != nil || page.Audit.Report == nil || page.Audit.Format != 1 {
		return failed(stderr, fmt.Errorf("%s is not the JSON of an audit", auditFile))
	}
	if page.By == "" {
		page.By = whoRuns()
	}
	if len(files) > 0 {
		if page.Statements, err = proveFiles(catalogFile, files, stdin); err != nil {
			return failed(stderr, err)
		}
	}
	if err := writePage(stdout, page); err != nil {
		return failed(stderr, err)
	}
	return exitClean
}

// proveFiles judges each statement of SQL files.
func proveFiles(catalogFile string, files []string, stdin io.Reader) ([]verdict, error) {
	in, err := load(catalogFile, files, stdin)
	if err != nil {
		return nil, err
	}
	var out []verdict
	for _, s := range in.statements {
		v, err := judge(in.catalog, s)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", s.file, s.line, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// about says of what a page is.
func (d pageData) about() string {
	when := d.Made.UTC().Format(time.RFC3339)
	switch {
	case d.Proof != nil:
		return fmt.Sprintf("proof of %d statements, %s", len(d.Statements), when)
	case d.Plan != nil:
		return fmt.Sprintf("plan for %s, %s, %d steps", d.Plan.Database, when, len(d.Plan.Steps))
	}
	return fmt.Sprintf("%s, %s, %d findings", d.Audit.Database, d.Audit.Started.UTC().Format(time.RFC3339), len(d.Audit.Findings))
}

func reportSign(file, keyFile, signatureFile string, data []byte, stdout, stderr io.Writer) int {
	if keyFile == "" {
		return failed(stderr, errors.New("with which key? Give --key FILE"))
	}
	key, err := secretKey(keyFile)
	if err == nil {
		err = replaceFile(signatureFile, sign(key, file, data, time.Now()))
	}
	if err != nil {
		return failed(stderr, err)
	}
	fmt.Fprintf(stdout, "signed %s: %s\n", file, signatureFile)
	return exitClean
}

func reportVerify(file, keyFile, signatureFile string, data []byte, stdout, stderr io.Writer) int {
	if keyFile != "" {
		comment, err := checkSignature(keyFile, signatureFile, data)
		if errors.Is(err, errForged) {
			fmt.Fprintf(stdout, "WRONG: %v\n", err)
			return exitFindings
		}
		if err != nil {
			return failed(stderr, err)
		}
		fmt.Fprintf(stdout, "signature: good (%s)\n", clean(comment))
	}
	page, err := readPage(data)
	if err != nil {
		fmt.Fprintf(stdout, "WRONG: %s: %v\n", file, err)
		return exitFindings
	}
	fmt.Fprintf(stdout, "data: the page is the one that its data make; %s\n", clean(page.about()))
	if keyFile == "" {
		fmt.Fprintln(stdout, "signature: not looked at; give --key FILE")
	}
	return exitClean
}
