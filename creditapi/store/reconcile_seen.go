package store

import (
	"maps"
	"slices"
)

// seen counts rows of cc_logrefill by the entry that they are of, in a byte for
// each entry: ids are close together, so that a page of them is one piece.
type seen map[int64]*[seenPage]byte

const (
	seenPage = 4096
	// toConfirm marks an entry whose count must be taken again.
	toConfirm = 0x80
	seenMost  = 0x7f
)

func (s seen) at(id int64) *byte {
	page := s[id/seenPage]
	if page == nil {
		page = new([seenPage]byte)
		s[id/seenPage] = page
	}
	return &page[id%seenPage]
}

func (s seen) add(id int64) {
	if b := s.at(id); *b&seenMost < seenMost {
		*b++
	}
}

func (s seen) count(id int64) int { return int(*s.at(id) & seenMost) }

// confirm starts an entry's count anew.
func (s seen) confirm(id int64) { *s.at(id) = toConfirm }

func (s seen) confirming(id int64) bool { return *s.at(id)&toConfirm != 0 }

// inBatches calls f with the entries to confirm, in their order.
func (s seen) inBatches(size int, f func(ids []int64) error) error {
	var ids []int64
	for _, n := range slices.Sorted(maps.Keys(s)) {
		for i, b := range s[n] {
			if b&toConfirm == 0 {
				continue
			}
			if ids = append(ids, n*seenPage+int64(i)); len(ids) == size {
				if err := f(ids); err != nil {
					return err
				}
				ids = ids[:0]
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return f(ids)
}
