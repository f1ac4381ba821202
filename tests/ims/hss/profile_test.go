package hss

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the pages of etc/ims anew")

// The pages of etc/ims are what the file of subscribers says. After a change:
//
//	go test ./tests/ims/hss -run TestPages -update
func TestPages(t *testing.T) {
	s := load(t)
	for name, want := range s.Pages("1000@ims.test", []string{"sip:1000@ims.test"}, s.ServiceProfiles["prepaid"].FilterCriteria[0]) {
		path := filepath.Join(filepath.Dir(file), name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s says; see above how to write it anew. It should be\n%s", path, file, want)
		}
	}
}
