package hss

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"adcredit/etc"
)

// Status is the registration state of a public identity (TS 29.228, section 8.1).
type Status int

// The states. An identity that is unregistered has an S-CSCF all the same, which
// keeps its profile for calls to it.
const (
	NotRegistered Status = iota
	Registered
	Unregistered
)

func (s Status) String() string {
	return [...]string{"not registered", "registered", "unregistered"}[s]
}

// State is what the HSS remembers of a public identity.
type State struct {
	Status Status
	SCSCF  string // the URI of the S-CSCF that its subscription has, if any
}

// store is what changes while the server runs. It is locked by each procedure
// from begin to end.
type store struct {
	mu       sync.Mutex
	s        *Subscribers
	status   map[string]Status     // by IMPU
	assigned map[string]assignment // by IMSU
	sqn      map[string]uint64     // by IMPI: the last that a challenge had
}

// assignment is the S-CSCF of a subscription.
type assignment struct {
	name string // its SIP URI
	host string // its Diameter identity
}

// Provision puts other subscribers in the place of those there are. Identities
// that stay keep their states, and an S-CSCF keeps the profile that it was given
// until it asks again or [Server.PushProfile] tells it. What [Load] would have
// refused is an *etc.Error, and changes nothing.
func (s *Server) Provision(subscribers *Subscribers) error {
	if subscribers == nil {
		return errors.New("hss: no subscribers; get them from Load")
	}
	if problems := subscribers.Check(); len(problems) > 0 {
		return &etc.Error{Problems: problems}
	}
	st := &s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.s == nil {
		st.status, st.assigned, st.sqn = map[string]Status{}, map[string]assignment{}, map[string]uint64{}
	}
	st.s = subscribers
	maps.DeleteFunc(st.assigned, func(imsu string, _ assignment) bool { return !has(subscribers.IMSUs, imsu) })
	maps.DeleteFunc(st.status, func(impu string, _ Status) bool { return !has(st.assigned, st.owner(impu)) }) // gone, or somebody else's
	for imsu := range st.assigned {
		st.set(imsu, NotRegistered)
	}
	maps.DeleteFunc(st.sqn, func(impi string, _ uint64) bool { return !has(subscribers.IMPIs, impi) })
	return nil
}

func has[T any](m map[string]T, key string) bool { _, ok := m[key]; return ok }

// State tells what is remembered of a public identity, and false when there is
// no such identity.
func (s *Server) State(impu string) (State, bool) {
	st := &s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if !has(st.s.IMPUs, impu) {
		return State{}, false
	}
	return State{Status: st.status[impu], SCSCF: st.assigned[st.owner(impu)].name}, true
}

// canonical is a public identity without its parameters, and with its host in
// small letters, as identities are compared (TS 23.003, section 13.4; RFC 3261).
func canonical(impu string) string {
	impu, _, _ = strings.Cut(impu, ";")
	if user, host, ok := strings.Cut(impu, "@"); ok {
		return user + "@" + strings.ToLower(host)
	}
	return impu
}

// owner is the subscription of a public identity.
func (st *store) owner(impu string) string {
	u := st.s.IMPUs[impu]
	if len(u.IMPIs) == 0 {
		return ""
	}
	return st.s.IMPIs[u.IMPIs[0]].IMSU
}

// together are the public identities that register with one, itself first.
func (st *store) together(impu string) []string {
	all := []string{impu}
	if set := st.s.IMPUs[impu].ImplicitSet; set != 0 {
		for name, u := range sorted(st.s.IMPUs) {
			if name != impu && u.ImplicitSet == set {
				all = append(all, name)
			}
		}
	}
	return all
}

// identitiesOf are the public identities of a subscription.
func (st *store) identitiesOf(imsu string) []string {
	var all []string
	for name := range sorted(st.s.IMPUs) {
		if st.owner(name) == imsu {
			all = append(all, name)
		}
	}
	return all
}

// set gives identities a state, if any, and forgets the S-CSCF of a subscription that
// has none left that needs it.
func (st *store) set(imsu string, status Status, impus ...string) {
	for _, impu := range impus {
		st.status[impu] = status
	}
	if !slices.ContainsFunc(st.identitiesOf(imsu), func(impu string) bool { return st.status[impu] != NotRegistered }) {
		delete(st.assigned, imsu)
	}
}
