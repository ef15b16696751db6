// Command apiserver is the Kubernetes API server that the tests run against: the real kube-apiserver and the real etcd
// in one process, on loopback, with nothing kept afterwards.
//
//	apiserver --dir DIR
//
// When it is ready it writes DIR/kubeconfig, whose user may do everything. It ends, and removes DIR, when its standard
// input closes or on SIGTERM or SIGINT, so that it never outlives the test run that holds the other end of the pipe.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/util/cert"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// startupLimit bounds the time from start to ready.
const startupLimit = 2 * time.Minute

func main() {
	dir := flag.String("dir", "", "folder for everything that the server writes; it is removed at the end")
	flag.Parse()
	if *dir == "" {
		log.Fatal("apiserver: --dir is required")
	}
	if err := run(*dir); err != nil {
		log.Fatalf("apiserver: %v", err)
	}
}

func run(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var once sync.Once
	end := func() {
		once.Do(func() {
			_ = os.RemoveAll(dir)
			os.Exit(0)
		})
	}
	// The handler of kube-apiserver sees the signal as well and drains for seconds: this one does not wait for it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() { <-signals; end() }()
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); end() }()

	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	etcd, err := startEtcd(filepath.Join(dir, "etcd"), ports[0], ports[1])
	if err != nil {
		return err
	}
	token, ca, args, err := prepare(dir, etcd, ports[2])
	if err != nil {
		return err
	}
	server := "https://127.0.0.1:" + strconv.Itoa(ports[2])
	go func() {
		if err := announce(dir, server, token, ca); err != nil {
			log.Fatalf("apiserver: %v", err)
		}
	}()
	command := app.NewAPIServerCommand()
	command.SetArgs(args)
	return command.Execute()
}

// freePorts finds n different loopback ports on which nothing listens.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// startEtcd starts a single member that never waits for the disk, and returns its client URL.
func startEtcd(dir string, clientPort, peerPort int) (string, error) {
	client := url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(clientPort)}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(peerPort)}
	config := embed.NewConfig()
	config.Dir = dir
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = true
	config.LogLevel = "error"
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return client.String(), nil
	case err := <-etcd.Err():
		return "", fmt.Errorf("etcd: %w", err)
	case <-time.After(startupLimit):
		return "", fmt.Errorf("etcd is not ready after %s", startupLimit)
	}
}

// prepare writes the keys and the token file, and returns the token, the certificates to trust and the server's flags.
func prepare(dir, etcd string, port int) (token string, ca []byte, args []string, err error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", nil, nil, err
	}
	token = hex.EncodeToString(random)
	ca, key, err := cert.GenerateSelfSignedCertKey("localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return "", nil, nil, err
	}
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", nil, nil, err
	}
	signerPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(signer)})
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, content := range map[string][]byte{
		"tokens.csv": []byte(token + ",admin,admin,system:masters\n"),
		"tls.crt":    ca,
		"tls.key":    key,
		"sa.key":     signerPEM,
	} {
		if err := os.WriteFile(path(name), content, 0o600); err != nil {
			return "", nil, nil, err
		}
	}
	return token, ca, []string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + path("tls.crt"),
		"--tls-private-key-file=" + path("tls.key"),
		"--cert-dir=" + path("certs"),
		"--token-auth-file=" + path("tokens.csv"),
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + path("sa.key"),
		"--service-account-signing-key-file=" + path("sa.key"),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none",
		"--enable-priority-and-fairness=false",
	}, nil
}

// announce waits until the server is ready and writes the kubeconfig, complete or not at all.
func announce(dir, server, token string, ca []byte) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true},
	}
	request, err := http.NewRequest(http.MethodGet, server+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	last := "no answer"
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > startupLimit {
			return fmt.Errorf("not ready after %s: %s", startupLimit, last)
		}
		response, err := client.Do(request)
		if err != nil {
			last = err.Error()
			continue
		}
		_ = response.Body.Close()
		if last = response.Status; response.StatusCode == http.StatusOK {
			break
		}
	}
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: tests
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: admin
  user:
    token: %s
contexts:
- name: tests
  context:
    cluster: tests
    user: admin
current-context: tests
`, server, base64.StdEncoding.EncodeToString(ca), token)
	draft := filepath.Join(dir, ".kubeconfig")
	if err := os.WriteFile(draft, []byte(kubeconfig), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(dir, "kubeconfig"))
}
