package store

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// gather lets those who ask at the same moment share one statement: who comes while
// little is under way asks alone and at once, and while enough is, those who come
// wait together for the next. A statement begins after all who share it have asked,
// so each of them reads what they wrote before. One that is shared has a deadline of
// its own, and what becomes of one who shares it, no other notices.
type gather[A any] struct {
	ask  func(ctx context.Context, names []string) ([]A, error) // an answer for each name
	most int                                                    // statements under way at once

	mu      sync.Mutex
	workers int         // that ask, or one who asks alone
	asking  int         // names under way
	waiting []*batch[A] // the oldest first; all but the last are full
}

const (
	few      = 4                    // names under way beside which another statement begins at once
	together = 32                   // names in one statement, at most
	patience = 5 * time.Millisecond // so long a batch waits for those before it, which may hang
	hanging  = 10 * time.Second     // the deadline of a statement
)

// batch is what one statement asks for, for several who wait.
type batch[A any] struct {
	names   []string
	askers  int         // who have not gone
	overdue bool        // it waits for none before it
	timer   *time.Timer // until it is
	ctx     context.Context
	cancel  context.CancelFunc

	done    chan struct{} // closed when these are there
	answers []A
	err     error
}

// get asks for a name, and waits for the answer as long as ctx allows.
func (g *gather[A]) get(ctx context.Context, name string) (answer A, err error) {
	b, i := g.join(name)
	if b == nil {
		return g.alone(ctx, name)
	}
	select {
	case <-b.done:
		if b.err != nil {
			return answer, b.err
		}
		return b.answers[i], nil
	case <-ctx.Done():
		g.leave(b)
		return answer, ctx.Err()
	}
}

// alone asks for one name as a worker does, in whose place it is: so no other
// goroutine has to be woken, which takes longer than to read the answer.
func (g *gather[A]) alone(ctx context.Context, name string) (answer A, err error) {
	answers, err := g.safely(ctx, []string{name})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.workers--
	g.asking--
	g.begin() // for those who have come meanwhile
	if err != nil {
		return answer, err
	}
	return answers[0], nil
}

// join puts a name into a batch, and says which of its names that is. No batch: it
// is to be asked for alone, and counts as under way.
func (g *gather[A]) join(name string) (b *batch[A], i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch n := len(g.waiting); {
	case n == 0 && g.asking < few && g.workers < g.most:
		g.workers++
		g.asking++
		return nil, 0
	case n > 0 && len(g.waiting[n-1].names) < together:
		b = g.waiting[n-1]
	default:
		b = &batch[A]{done: make(chan struct{})}
		b.ctx, b.cancel = context.WithTimeout(context.Background(), hanging)
		g.waiting = append(g.waiting, b)
		b.timer = time.AfterFunc(patience, func() { g.hurry(b) })
	}
	b.names = append(b.names, name)
	b.askers++
	if len(b.names) == together { // more would have to wait longer still
		b.overdue = true
		g.begin()
	}
	return b, len(b.names) - 1
}

// begin starts one more worker, if there is something that it may ask.
func (g *gather[A]) begin() {
	if g.due() && g.workers < g.most {
		g.workers++
		go g.work()
	}
}

// due reports whether the oldest batch may be asked now.
func (g *gather[A]) due() bool {
	return len(g.waiting) > 0 && (g.asking < few || g.waiting[0].overdue)
}

// hurry lets a batch begin that has waited long enough, and with it those before.
func (g *gather[A]) hurry(b *batch[A]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b.overdue = true
	g.begin()
}

// leave is for one who does not wait any longer. For nobody, nothing is asked.
func (g *gather[A]) leave(b *batch[A]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.askers--; b.askers == 0 {
		b.cancel()
	}
}

// work asks for one batch after the other, until it may not or there is none.
func (g *gather[A]) work() {
	for b := g.next(); b != nil; b = g.next() {
		b.answers, b.err = g.safely(b.ctx, b.names)
		g.end(b)
		close(b.done)
	}
}

// next takes the oldest batch; nil ends the worker.
func (g *gather[A]) next() *batch[A] {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.due() {
		b := g.waiting[0]
		g.waiting = g.waiting[1:]
		b.timer.Stop()
		if b.askers > 0 {
			g.asking += len(b.names)
			return b
		}
	}
	g.workers--
	return nil
}

func (g *gather[A]) end(b *batch[A]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asking -= len(b.names)
	b.cancel()
}

// safely makes an error of a panic: nobody above a worker could answer for it.
func (g *gather[A]) safely(ctx context.Context, names []string) (answers []A, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v; please report this\n%s", p, debug.Stack())
		}
	}()
	return g.ask(ctx, names)
}
