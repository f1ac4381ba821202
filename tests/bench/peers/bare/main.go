// Command bare is the floor of a server: net/http and one prepared SELECT, with
// nothing around it: no keys, no policy, no log, no figures.
//
//	bare ADDRESS DSN CONNECTIONS
package main

import (
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"

	_ "github.com/go-sql-driver/mysql"
)

func main() {
	db, err := sql.Open("mysql", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	connections, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	read, err := db.Prepare("SELECT credit FROM cc_card WHERE username = ?")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /credit/{card}", func(w http.ResponseWriter, r *http.Request) {
		var credit string
		if err := read.QueryRowContext(r.Context(), r.PathValue("card")).Scan(&credit); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"card":%q,"credit":%q}`, r.PathValue("card"), credit)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
