package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	service    = "tests"
	issuerName = "headwater-tests"
	keyID      = "tests"
)

// issuer is a token endpoint as the Distribution project specifies it: GET with basic authentication, and POST with a
// refresh token. Who shows no credentials gets a token that opens nothing.
type issuer struct {
	user, password string
	signer         jose.Signer
	// file holds the key set that the registry checks the tokens with.
	file string
}

func newIssuer(user, password, file string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private := jose.JSONWebKey{Key: key, KeyID: keyID, Algorithm: string(jose.ES256)}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	if err != nil {
		return nil, err
	}
	return &issuer{user: user, password: password, signer: signer, file: file}, os.WriteFile(file, set, 0o600)
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	known := false
	if user, password, ok := r.BasicAuth(); ok {
		if known = user == i.user && password == i.password; !known {
			refuse(w, http.StatusUnauthorized, "incorrect username or password")
			return
		}
	}
	if r.Method == http.MethodPost {
		if known = r.PostForm.Get("grant_type") == "refresh_token" && r.PostForm.Get("refresh_token") == i.password; !known {
			refuse(w, http.StatusUnauthorized, "incorrect refresh token")
			return
		}
	}
	now := time.Now()
	claims := token.ClaimSet{
		Issuer: issuerName, Subject: i.user, Audience: token.AudienceList{service},
		IssuedAt: now.Unix(), NotBefore: now.Add(-time.Minute).Unix(), Expiration: now.Add(5 * time.Minute).Unix(),
	}
	if known {
		claims.Access = access(r.Form["scope"])
	}
	signed, err := jwt.Signed(i.signer).Claims(claims).Serialize()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer := map[string]any{"access_token": signed, "expires_in": 300}
	if r.Method == http.MethodGet {
		answer["token"] = signed
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// access is what scopes such as "repository:charts/podinfo:pull,push" ask for.
func access(scopes []string) (granted []*token.ResourceActions) {
	for _, scope := range strings.Fields(strings.Join(scopes, " ")) {
		first, last := strings.Index(scope, ":"), strings.LastIndex(scope, ":")
		if first < last {
			actions := strings.Split(scope[last+1:], ",")
			granted = append(granted, &token.ResourceActions{Type: scope[:first], Name: scope[first+1 : last], Actions: actions})
		}
	}
	return granted
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": "UNAUTHORIZED", "message": message}}})
}
