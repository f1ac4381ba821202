//go:build lab

package store

import (
	"testing"

	"adcredit/tests/lab"
)

func TestModelMariaDB(t *testing.T) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		t.Run(string(engine), func(t *testing.T) {
			w := openLab(t, lab.MariaDB(t), engine)
			playModel(t, w.world, w.commits, 60)
		})
	}
}
