package hostile

import (
	"net/url"
	"strings"
	"testing"
)

func TestTheCorpusIsWhole(t *testing.T) {
	for name, values := range map[string][]Value{"values": Values(), "P-Asserted-Identity": Asserted()} {
		seen := map[string]bool{}
		for _, v := range values {
			if v.Text == "" || v.Name == "" || seen[v.Name] || seen[v.Text] {
				t.Errorf("%s: %q is empty or there twice", name, v.Name)
			}
			seen[v.Name], seen[v.Text] = true, true
			if back, err := url.PathUnescape(v.User()); back != v.Text || err != nil {
				t.Errorf("%s: User gives %q, which reads %q, %v", v.Name, v.User(), back, err)
			}
		}
	}
	if len(Values()) < 90 || len(Asserted()) < 20 {
		t.Errorf("%d values and %d identities", len(Values()), len(Asserted()))
	}
	if lines := strings.Count(corpus, " = \""); lines != len(Values())+len(Asserted()) {
		t.Errorf("%d lines, of which %d and %d are read", lines, len(Values()), len(Asserted()))
	}
}
