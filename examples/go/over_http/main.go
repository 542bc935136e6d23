// Records an event through the HTTP api, with nothing but Go's library:
//
//	AUDITBOX_URL=http://127.0.0.1:4000 AUDITBOX_KEY=ab_... go run . ana updated teams team-1 '{"max_budget": 40}'
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	mathrand "math/rand"
	"net/http"
	"os"
	"strings"
	"time"
)

// Event has the names of the wire.
type Event struct {
	ID            string          `json:"id"`
	ChangedBy     string          `json:"changed_by"`
	Action        string          `json:"action"`
	TableName     string          `json:"table_name"`
	ObjectID      string          `json:"object_id"`
	UpdatedValues json.RawMessage `json:"updated_values,omitempty"`
}

// Problem is an error response of the api. Code is stable, and the log of the api has RequestID.
type Problem struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s: %s (request %s)", p.Status, p.Code, p.Detail, p.RequestID)
}

// Record returns when the event is on the disk of Auditbox. While the api is away it sends again, until the context ends.
func Record(ctx context.Context, url, key string, event Event) (string, error) {
	if event.ID == "" {
		// Made before the first try: an event whose answer was lost is stored once.
		event.ID = newUUID()
	}
	body, err := json.Marshal(event)
	if err != nil {
		return "", err
	}
	for longestWait := 100 * time.Millisecond; ; longestWait = min(longestWait*2, 5*time.Second) {
		again, err := send(ctx, url, key, body)
		if err == nil || !again {
			return event.ID, err
		}
		select {
		case <-ctx.Done():
			return event.ID, err
		case <-time.After(time.Duration(mathrand.Int63n(int64(longestWait)))):
		}
	}
}

// A redirect makes a GET of a POST. Followed, it would look like an event that was stored.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// send reports too whether the same request may succeed later.
func send(ctx context.Context, url, key string, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(url, "/")+"/audit", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return true, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return true, err
	}
	if response.StatusCode < 300 {
		return false, nil
	}
	problem := &Problem{Status: response.StatusCode}
	// A proxy may answer with another body; the status says enough then.
	_ = json.Unmarshal(text, problem)
	return response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests, problem
}

func min(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}

func newUUID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	event := Event{ChangedBy: os.Args[1], Action: os.Args[2], TableName: os.Args[3], ObjectID: os.Args[4], UpdatedValues: json.RawMessage(os.Args[5])}
	id, err := Record(ctx, os.Getenv("AUDITBOX_URL"), os.Getenv("AUDITBOX_KEY"), event)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(id)
}
