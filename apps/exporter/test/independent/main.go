// Makes keys of Standard Webhooks and verifies signatures, with Go's own cryptography. It shares no code with the exporter.
//
//	main keys        prints {"secret":"whsk_…","public":"whpk_…"}
//	main verify      reads {"public","secret","id","timestamp","signature","body"} and prints the versions that verify
package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	log.SetFlags(0)
	if os.Args[1] == "keys" {
		printKeys()
		return
	}
	var request struct{ Public, Secret, ID, Timestamp, Signature, Body string }
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		log.Fatal(err)
	}
	signed := []byte(request.ID + "." + request.Timestamp + "." + request.Body)
	public := ed25519.PublicKey(decode(strings.TrimPrefix(request.Public, "whpk_")))
	mac := hmac.New(sha256.New, decode(strings.TrimPrefix(request.Secret, "whsec_")))
	mac.Write(signed)
	for _, one := range strings.Split(request.Signature, " ") {
		version, text, _ := strings.Cut(one, ",")
		signature := decode(text)
		if version == "v1a" && ed25519.Verify(public, signed, signature) || version == "v1" && hmac.Equal(mac.Sum(nil), signature) {
			fmt.Println(version)
		}
	}
}

func printKeys() {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"secret\":%q,\"public\":%q}\n", "whsk_"+base64.StdEncoding.EncodeToString(private),
		"whpk_"+base64.StdEncoding.EncodeToString(public))
}

func decode(text string) []byte {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		log.Fatal(err)
	}
	return bytes
}
