// Uses every kind of route by a client that oapi-codegen made. Arguments: the URL of the api, and a key. Prints a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"

	auditbox "generated/auditbox"
)

func event(changedBy string) auditbox.NewAuditEvent {
	return auditbox.NewAuditEvent{
		ChangedBy:     changedBy,
		Action:        "updated",
		TableName:     "generated",
		ObjectId:      "go",
		BeforeValue:   map[string]any{"budget": 10},
		UpdatedValues: map[string]any{"budget": 25},
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	client := must(auditbox.NewClientWithResponses(os.Args[1], auditbox.WithRequestEditorFn(
		func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer "+os.Args[2])
			return nil
		})))
	objects := auditbox.ListEventsParams{ObjectId: &[]string{"go"}}
	stored := must(client.PostEventWithResponse(ctx, nil, event("ana")))
	batch := must(client.PostBatchWithResponse(ctx, nil, []auditbox.NewAuditEvent{event("ben"), event("ben")}))
	page := must(client.ListEventsWithResponse(ctx, &objects))
	one := must(client.GetEventWithResponse(ctx, must(stored.JSON201.AsAuditEvent()).Id, nil))
	exported := must(one.JSON200.AsExportedEvent())
	history := must(client.ObjectHistoryWithResponse(ctx, "generated", "go", nil))
	interval := auditbox.CountEventsParamsInterval("day")
	counts := must(client.CountEventsWithResponse(ctx, &auditbox.CountEventsParams{Interval: &interval}))
	refused := must(client.PostEventWithResponse(ctx, nil, event("")))
	problems := refused.ApplicationproblemJSON422.Errors
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"statuses": []int{stored.StatusCode(), batch.StatusCode(), page.StatusCode(), one.StatusCode(),
			history.StatusCode(), counts.StatusCode(), refused.StatusCode()},
		"events":         len(must(page.JSON200.AsNumberedPage()).AuditLogs),
		"changed_by":     exported.ChangedBy,
		"updated_values": exported.UpdatedValues,
		"problem":        problems[0].Path,
	})
}
