// Changes a row and records the event in the same transaction, with database/sql:
//
//	DATABASE_URL=postgresql://... go run . team-1 40 ana
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"strconv"

	// Or pgx: _ "github.com/jackc/pgx/v5/stdlib", and sql.Open("pgx", …).
	_ "github.com/lib/pq"
)

// Event has the names of the wire. Before and After are JSON texts, and may be empty.
type Event struct {
	ChangedBy, Action, TableName, ObjectID, Before, After string
}

// RecordEvent returns the id of the event. It is stored if the transaction commits, and only then.
func RecordEvent(ctx context.Context, tx *sql.Tx, event Event) (id string, err error) {
	err = tx.QueryRowContext(ctx,
		`select auditbox.record($1, $2, $3, $4, updated_values => nullif($5, '')::json, before_value => nullif($6, '')::json)`,
		event.ChangedBy, event.Action, event.TableName, event.ObjectID, event.After, event.Before).Scan(&id)
	return id, err
}

// ChangeBudget changes a team and records it, or does neither.
func ChangeBudget(ctx context.Context, db *sql.DB, team string, budget int, changedBy string) (string, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	var before int
	if err := tx.QueryRowContext(ctx, `select max_budget from teams where id = $1 for update`, team).Scan(&before); err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, `update teams set max_budget = $1 where id = $2`, budget, team); err != nil {
		return "", err
	}
	id, err := RecordEvent(ctx, tx, Event{
		ChangedBy: changedBy, Action: "updated", TableName: "teams", ObjectID: team,
		Before: fmt.Sprintf(`{"max_budget": %d}`, before), After: fmt.Sprintf(`{"max_budget": %d}`, budget),
	})
	if err != nil {
		return "", err
	}
	return id, tx.Commit()
}

func main() {
	budget, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	id, err := ChangeBudget(context.Background(), db, os.Args[1], budget, os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(id)
}
