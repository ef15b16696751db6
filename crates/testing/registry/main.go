// Command registry is the OCI registry that the tests run against: the real one of the Distribution project, on loopback,
// with everything in memory.
//
//	registry [--auth basic|token] [--user NAME] [--cert FILE --key FILE [--client-ca FILE]] [--page N]
//
// With --auth the password is read from the environment variable REGISTRY_PASSWORD. With token the password is also the
// refresh token ("identity token") of the user, and the tokens are issued at an address of their own.
// With --page lists of tags come in pages even to those who do not ask for it, as many registries do.
//
// When it is ready it prints {"address": "127.0.0.1:PORT"} in a line. It ends when its standard input closes, so that it
// never outlives the test run that holds the other end of the pipe.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	var options options
	flag.StringVar(&options.auth, "auth", "", "how clients authenticate: basic or token; by default not at all")
	flag.StringVar(&options.user, "user", "", "the one user there is")
	flag.StringVar(&options.cert, "cert", "", "file with the server's certificate")
	flag.StringVar(&options.key, "key", "", "file with the key of it")
	flag.StringVar(&options.clientCA, "client-ca", "", "file with the certificate that clients' certificates must lead to")
	flag.IntVar(&options.page, "page", 0, "how many tags a page has when the client does not say it; 0 for all of them")
	flag.Parse()
	options.password = os.Getenv("REGISTRY_PASSWORD")

	dir, err := os.MkdirTemp("", "headwater-registry-")
	if err != nil {
		log.Fatalf("registry: %v", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = os.RemoveAll(dir)
		os.Exit(0)
	}()
	logrus.SetLevel(logrus.FatalLevel)
	err = run(options, dir)
	_ = os.RemoveAll(dir)
	log.Fatalf("registry: %v", err)
}

type options struct {
	auth, user, password string
	cert, key, clientCA  string
	page                 int
}

// run serves until it fails.
func run(options options, dir string) error {
	listener, scheme, err := options.listen()
	if err != nil {
		return err
	}
	config := &configuration.Configuration{Storage: configuration.Storage{
		"inmemory":    configuration.Parameters{},
		"delete":      configuration.Parameters{"enabled": true},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
	}}
	config.Tags.MaxTags = 1000
	config.Catalog.MaxEntries = 1000
	config.HTTP.Secret = "loopback"
	switch options.auth {
	case "":
	case "basic":
		file := filepath.Join(dir, "htpasswd")
		if err := writePassword(file, options.user, options.password); err != nil {
			return err
		}
		config.Auth = configuration.Auth{"htpasswd": {"realm": "tests", "path": file}}
	case "token":
		issuer, err := newIssuer(options.user, options.password, filepath.Join(dir, "jwks.json"))
		if err != nil {
			return err
		}
		// An address of its own: credentials go to another origin than the registry's, as with the large registries.
		tokens, _, err := options.listen()
		if err != nil {
			return err
		}
		go func() { log.Fatalf("registry: %v", http.Serve(tokens, issuer)) }()
		realm := scheme + "://" + tokens.Addr().String() + "/token"
		config.Auth = configuration.Auth{"token": {"realm": realm, "service": service, "issuer": issuerName, "jwks": issuer.file}}
	default:
		return fmt.Errorf("no such authentication: %q", options.auth)
	}
	app := handlers.NewApp(context.Background(), config)
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"address": listener.Addr().String()}); err != nil {
		return err
	}
	return http.Serve(listener, options.paged(app))
}

// paged asks for a page where the client asks for all tags.
func (o options) paged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query := r.URL.Query(); o.page > 0 && strings.HasSuffix(r.URL.Path, "/tags/list") && !query.Has("n") {
			query.Set("n", strconv.Itoa(o.page))
			r.URL.RawQuery = query.Encode()
		}
		next.ServeHTTP(w, r)
	})
}

// listen opens a port of its own, with TLS where there is a certificate.
func (o options) listen() (net.Listener, string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || o.cert == "" {
		return listener, "http", err
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, "", err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if o.clientCA != "" {
		bundle, err := os.ReadFile(o.clientCA)
		if err != nil {
			return nil, "", err
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(bundle) {
			return nil, "", fmt.Errorf("%s holds no certificate", o.clientCA)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return tls.NewListener(listener, config), "https", nil
}

func writePassword(file, user, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(user+":"+string(hash)+"\n"), 0o600)
}
