package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"adcredit/creditapi/config"
)

// The embedded database migrates itself, and never back.
func TestSchemaSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "adcredit.db")
	c := Config{Database: config.Database{Driver: config.SQLite, Path: path}, Currency: "XOF"}
	for range 2 {
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	for file, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, file, info.Mode().Perm(), mode)
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	have, err := s.schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(`INSERT INTO adcredit_schema (version_id, is_applied) VALUES (999, 1)`); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), c)
	var schema ErrSchema
	if !errors.As(err, &schema) || schema != (ErrSchema{Have: 999, Need: have}) {
		t.Errorf("a newer schema: %v", err)
	}
	if !errors.As(s.Ready(t.Context()), &schema) {
		t.Error("ready on a newer schema")
	}
}

// The first commands of a new installation may run at the same time.
func TestSchemaSQLiteAtOnce(t *testing.T) {
	c := Config{Database: config.Database{Driver: config.SQLite, Path: filepath.Join(t.TempDir(), "adcredit.db")}}
	atOnce(8, func(int) {
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Error(err)
			return
		}
		s.Close()
	})
}

func TestDriverUnknown(t *testing.T) {
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("opened no database at all")
	}
}
