package hss

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"adcredit/tests/ims/aka"
	"adcredit/tests/ims/diameter"
)

// request is a Cx request with what is known of its identities.
type request struct {
	diameter.Message
	from       *peer
	impi, impu string
	imsu       string
}

// cx answers a request of the Cx application: what follows the header.
func (s *Server) cx(m diameter.Message, from *peer) []diameter.AVP {
	answer := s.procedure(m, from)
	code, vendor, _ := diameter.AVPs(answer).Result()
	s.log.Info("cx", "request", m.Summary(), "user", m.AVPs.Text(diameter.UserName), "result", diameter.ResultName(code, vendor))
	return answer
}

func (s *Server) procedure(m diameter.Message, from *peer) []diameter.AVP {
	if m.Application != diameter.ApplicationCx {
		return result(diameter.ApplicationUnknown)
	}
	procedures := map[uint32]func(request) []diameter.AVP{
		diameter.UserAuthorization: s.userAuthorization,
		diameter.ServerAssignment:  s.serverAssignment,
		diameter.LocationInfo:      s.locationInfo,
		diameter.MultimediaAuth:    s.multimediaAuth,
	}
	do, ok := procedures[m.Command]
	if !ok {
		return result(diameter.CommandUnsupported)
	}
	if to := m.AVPs.Text(diameter.DestinationRealm); to != "" && !strings.EqualFold(to, s.realm) {
		return result(diameter.RealmNotServed)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	r, refused := s.identify(m)
	r.from = from
	if refused != nil {
		return refused
	}
	return do(r)
}

// identify checks the identities of a request, the first two steps of each
// procedure. Who asks for a location knows only the public identity, and who ends
// registrations may say the private one alone.
func (s *Server) identify(m diameter.Message) (request, []diameter.AVP) {
	st := &s.store
	r := request{Message: m, impi: m.AVPs.Text(diameter.UserName), impu: canonical(m.AVPs.Text(diameter.PublicIdentity))}
	switch {
	case r.impu == "" && (m.Command != diameter.ServerAssignment || r.impi == ""):
		return r, missing(diameter.PublicIdentity)
	case r.impi == "" && (m.Command == diameter.UserAuthorization || m.Command == diameter.MultimediaAuth):
		return r, missing(diameter.UserName)
	case r.impu != "" && !has(st.s.IMPUs, r.impu) || r.impi != "" && !has(st.s.IMPIs, r.impi):
		return r, experimental(diameter.UserUnknown, s.named(r)...)
	case r.impi != "" && r.impu != "" && !slices.Contains(st.s.IMPUs[r.impu].IMPIs, r.impi):
		return r, experimental(diameter.IdentitiesDontMatch, s.named(r)...)
	}
	if r.impu != "" {
		r.imsu = st.owner(r.impu)
	} else {
		r.imsu = st.s.IMPIs[r.impi].IMSU
	}
	return r, nil
}

// named are the identities of a request, for the answer to it. Kamailio wants
// them in an MAA even when it is a refusal.
func (s *Server) named(r request) []diameter.AVP {
	var avps []diameter.AVP
	if r.impi != "" {
		avps = append(avps, diameter.Text(diameter.UserName, r.impi))
	}
	if r.impu != "" && r.Command == diameter.MultimediaAuth {
		avps = append(avps, diameter.Text(diameter.PublicIdentity, r.impu))
	}
	return avps
}

// userAuthorization answers an I-CSCF that holds a REGISTER: may the user, and
// to which S-CSCF does it go (TS 29.228, section 6.1.1).
func (s *Server) userAuthorization(r request) []diameter.AVP {
	st := &s.store
	kind, _ := r.AVPs.Number(diameter.UserAuthorizationType) // absent: registration
	together := st.together(r.impu)
	usable := slices.ContainsFunc(together, func(impu string) bool { return !st.s.IMPUs[impu].Barring })
	visited := st.s.IMPUs[r.impu].VisitedNetworks
	status, name := st.status[r.impu], st.assigned[r.imsu].name
	switch {
	case kind == diameter.AuthorizeDeregistration && status == NotRegistered:
		return experimental(diameter.IdentityNotRegistered)
	case kind == diameter.AuthorizeDeregistration:
		return result(diameter.Success, diameter.Text(diameter.ServerName, name))
	case !usable || !st.s.IMPUs[r.impu].CanRegister:
		return result(diameter.AuthorizationRejected)
	case len(visited) > 0 && !slices.ContainsFunc(visited, func(n string) bool { return strings.EqualFold(n, r.AVPs.Text(diameter.VisitedNetwork)) }):
		return experimental(diameter.RoamingNotAllowed)
	case kind == diameter.AuthorizeCapabilities:
		return result(diameter.Success, s.capabilitiesFor(r.imsu))
	case name != "":
		return experimental(diameter.SubsequentRegistration, diameter.Text(diameter.ServerName, name))
	}
	return experimental(diameter.FirstRegistration, s.capabilitiesFor(r.imsu))
}

// capabilitiesFor says what the S-CSCF of a subscription must be able to do, and
// which one is preferred.
func (s *Server) capabilitiesFor(imsu string) diameter.AVP {
	i := s.store.s.IMSUs[imsu]
	var members []diameter.AVP
	for _, c := range i.Capabilities {
		members = append(members, diameter.Number(diameter.MandatoryCapability, uint32(c)))
	}
	if i.PreferredSCSCF != "" {
		members = append(members, diameter.Text(diameter.ServerName, i.PreferredSCSCF))
	}
	return diameter.Group(diameter.ServerCapabilities, members...)
}

// locationInfo answers an I-CSCF that holds a call: which S-CSCF has the callee
// (TS 29.228, section 6.1.4).
func (s *Server) locationInfo(r request) []diameter.AVP {
	st := &s.store
	kind, _ := r.AVPs.Number(diameter.UserAuthorizationType)
	originating, _ := r.AVPs.Number(diameter.OriginatingRequest)
	name := st.assigned[r.imsu].name
	switch {
	case kind == diameter.AuthorizeCapabilities:
		return result(diameter.Success, s.capabilitiesFor(r.imsu))
	case st.status[r.impu] != NotRegistered:
		return result(diameter.Success, diameter.Text(diameter.ServerName, name))
	case originating == 0 && !st.servedWhileUnregistered(r.impu):
		return experimental(diameter.IdentityNotRegistered)
	case name != "": // others of the subscription are registered there
		return result(diameter.Success, diameter.Text(diameter.ServerName, name))
	}
	return experimental(diameter.UnregisteredService, s.capabilitiesFor(r.imsu))
}

// servedWhileUnregistered says whether a criterion of a public identity waits for
// calls to somebody who is not there.
func (st *store) servedWhileUnregistered(impu string) bool {
	for _, a := range st.s.ServiceProfiles[st.s.IMPUs[impu].ServiceProfile].FilterCriteria {
		for _, row := range st.s.TriggerPoints[st.s.FilterCriteria[a.Name].TriggerPoint].SPT {
			if row.SessionCase == TerminatingUnregistered && !row.Not {
				return true
			}
		}
	}
	return false
}

// maxItems is how many challenges are made at once, whatever is asked for.
const maxItems = 5

// multimediaAuth gives an S-CSCF what it needs to challenge a user (TS 29.228,
// section 6.3).
func (s *Server) multimediaAuth(r request) []diameter.AVP {
	st := &s.store
	i := st.s.IMPIs[r.impi]
	asked := r.AVPs.Group(diameter.AuthDataItem)
	scheme := i.Scheme
	if text := asked.Text(diameter.AuthenticationScheme); text != "" && !strings.EqualFold(text, "unknown") { // Kamailio writes it small
		if err := scheme.UnmarshalText([]byte(text)); err != nil {
			return experimental(diameter.AuthSchemeNotSupported, s.named(r)...)
		}
	}
	if scheme == SIPDigest && i.Secret == "" || scheme == AKA && len(i.K) == 0 {
		return experimental(diameter.AuthSchemeNotSupported, s.named(r)...)
	}
	name := r.AVPs.Text(diameter.ServerName)
	if name == "" {
		return missing(diameter.ServerName)
	}
	var items []diameter.AVP
	if scheme == SIPDigest {
		items = append(items, s.digestItem(r.impi, i))
	} else {
		if challenge := asked.Text(diameter.Authorization); challenge != "" && !s.resynchronise(r.impi, i, challenge) {
			return result(diameter.UnableToComply, s.named(r)...)
		}
		n, _ := r.AVPs.Number(diameter.NumberAuthItems)
		for len(items) < int(max(1, min(n, maxItems))) {
			items = append(items, s.akaItem(r.impi, i, len(items)+1))
		}
	}
	if st.assigned[r.imsu].name == "" { // until the SAR that follows says how it went
		st.assigned[r.imsu] = assignment{name: name, host: r.from.host}
	}
	avps := append(s.named(r), diameter.Number(diameter.NumberAuthItems, uint32(len(items))))
	return result(diameter.Success, append(avps, items...)...)
}

// digestItem lets an S-CSCF make challenges of SIP Digest by itself. The password
// stays here (RFC 4740, section 9.5.5; TS 29.229, section 6.3.36).
func (s *Server) digestItem(impi string, i IMPI) diameter.AVP {
	realm := s.store.s.Realm
	ha1 := fmt.Sprintf("%x", md5.Sum([]byte(impi+":"+realm+":"+i.Secret)))
	return diameter.Group(diameter.AuthDataItem,
		diameter.Number(diameter.ItemNumber, 1),
		diameter.Text(diameter.AuthenticationScheme, SIPDigest.String()),
		diameter.Group(diameter.SIPDigestAuthenticate,
			diameter.Text(diameter.DigestRealm, realm), diameter.Text(diameter.DigestAlgorithm, "MD5"),
			diameter.Text(diameter.DigestQoP, "auth"), diameter.Text(diameter.DigestHA1, ha1)))
}

// indexStep adds one to the part SEQ of a sequence number, above the five bits
// of IND (TS 33.102, annex C.1.1.1 and C.3.2).
const indexStep = 1 << 5

// akaItem is one challenge of AKA (TS 29.228, section 6.3.1, tables 6.3.4 and 6.3.5).
func (s *Server) akaItem(impi string, i IMPI, number int) diameter.AVP {
	s.store.sqn[impi] = (s.store.sqn[impi] + indexStep) & (1<<48 - 1)
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	v := i.key().Vector(random, s.store.sqn[impi], [2]byte(i.AMF))
	return diameter.Group(diameter.AuthDataItem,
		diameter.Number(diameter.ItemNumber, uint32(number)),
		diameter.Text(diameter.AuthenticationScheme, AKA.String()),
		diameter.Text(diameter.Authenticate, append(v.RAND[:], v.AUTN[:]...)),
		diameter.Text(diameter.Authorization, v.XRES[:]),
		diameter.Text(diameter.ConfidentialityKey, v.CK[:]),
		diameter.Text(diameter.IntegrityKey, v.IK[:]))
}

// resynchronise takes over a card's sequence number: the challenge is the RAND
// that the card refused, and its AUTS.
func (s *Server) resynchronise(impi string, i IMPI, challenge string) bool {
	if len(challenge) != 16+14 {
		return false
	}
	sqn, ok := i.key().Resynchronise([16]byte([]byte(challenge)), [14]byte([]byte(challenge)[16:]))
	if ok {
		s.store.sqn[impi] = sqn
	}
	return ok
}

func (i IMPI) key() aka.Key {
	if len(i.OP) == 16 {
		return aka.NewKey([16]byte(i.K), [16]byte(i.OP))
	}
	return aka.Key{K: [16]byte(i.K), OPc: [16]byte(i.OPc)}
}

// serverAssignment takes note of what an S-CSCF did, and gives it the profile
// (TS 29.228, section 6.1.2).
func (s *Server) serverAssignment(r request) []diameter.AVP {
	st := &s.store
	name := r.AVPs.Text(diameter.ServerName)
	kind, ok := r.AVPs.Number(diameter.ServerAssignmentType)
	if !ok {
		return missing(diameter.ServerAssignmentType)
	}
	if name == "" {
		return missing(diameter.ServerName)
	}
	assigned := st.assigned[r.imsu].name
	elsewhere := assigned != "" && assigned != name
	switch kind {
	case diameter.NoAssignment:
		if assigned != name {
			return result(diameter.UnableToComply)
		}
	case diameter.Registration, diameter.ReRegistration, diameter.UnregisteredUser:
		if elsewhere && st.status[r.impu] != NotRegistered {
			return experimental(diameter.IdentityAlreadyRegistered, diameter.Text(diameter.ServerName, assigned))
		}
	case diameter.TimeoutDeregistration, diameter.UserDeregistration, diameter.AdministrativeDeregistration, diameter.DeregistrationTooMuchData,
		diameter.TimeoutDeregistrationStoreServerName, diameter.UserDeregistrationStoreServerName, diameter.AuthenticationFailure, diameter.AuthenticationTimeout:
		if elsewhere {
			return result(diameter.UnableToComply)
		}
	default:
		return experimental(diameter.InAssignmentType)
	}
	if r.impu == "" && kind <= diameter.UnregisteredUser {
		return missing(diameter.PublicIdentity)
	}
	return s.assign(r, kind, name)
}

// assign changes the states as a Server-Assignment-Type says, one that fits.
func (s *Server) assign(r request, kind uint32, name string) []diameter.AVP {
	st := &s.store
	impus := s.concerned(r)
	here := assignment{name: name, host: r.from.host}
	switch kind {
	case diameter.NoAssignment:
	case diameter.Registration, diameter.ReRegistration:
		st.assigned[r.imsu] = here
		st.set(r.imsu, Registered, impus...)
	case diameter.UnregisteredUser:
		st.assigned[r.imsu] = here
		if st.status[r.impu] == NotRegistered {
			st.set(r.imsu, Unregistered, impus...)
		}
	case diameter.TimeoutDeregistrationStoreServerName, diameter.UserDeregistrationStoreServerName:
		st.assigned[r.imsu] = here
		st.set(r.imsu, Unregistered, impus...)
	case diameter.AuthenticationFailure, diameter.AuthenticationTimeout:
		st.set(r.imsu, NotRegistered) // of none: only a name without a registration is forgotten
	default:
		st.set(r.imsu, NotRegistered, impus...)
	}
	impi := r.impi
	if impi == "" {
		impi = st.s.IMPUs[r.impu].IMPIs[0]
	}
	avps := []diameter.AVP{diameter.Text(diameter.UserName, impi)}
	available, _ := r.AVPs.Number(diameter.UserDataAlreadyAvailable)
	if kind <= diameter.UnregisteredUser && available == 0 {
		avps = append(avps, diameter.Text(diameter.UserData, st.s.UserData(impi, impus)))
	}
	return result(diameter.Success, avps...)
}

// concerned are the public identities that a SAR is about, with those that
// register with them; all of the private identity, when it names none.
func (s *Server) concerned(r request) []string {
	st := &s.store
	var all []string
	for _, impu := range r.AVPs.Texts(diameter.PublicIdentity) {
		if impu = canonical(impu); st.owner(impu) == r.imsu && has(st.s.IMPUs, impu) {
			all = append(all, st.together(impu)...)
		}
	}
	if len(all) == 0 {
		return st.of(r.impi)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(impu string) bool { again := seen[impu]; seen[impu] = true; return again })
}

// of are the public identities of a private one.
func (st *store) of(impi string) []string {
	var all []string
	for name, u := range sorted(st.s.IMPUs) {
		if slices.Contains(u.IMPIs, impi) {
			all = append(all, name)
		}
	}
	return all
}

// Deregister ends the registrations of a private identity, as an operator does
// who lost a customer: RTR to its S-CSCF (TS 29.228, section 6.1.3). It returns
// when that has answered; without its success nothing changes.
func (s *Server) Deregister(ctx context.Context, impi string) error {
	st := &s.store
	st.mu.Lock()
	imsu := st.s.IMPIs[impi].IMSU
	impus := slices.DeleteFunc(st.of(impi), func(impu string) bool { return st.status[impu] == NotRegistered })
	at := st.assigned[imsu]
	st.mu.Unlock()
	if len(impus) == 0 {
		return fmt.Errorf("hss: deregister %s: none of its public identities is registered", impi)
	}
	avps := []diameter.AVP{diameter.Text(diameter.UserName, impi)}
	for _, impu := range impus {
		avps = append(avps, diameter.Text(diameter.PublicIdentity, impu))
	}
	avps = append(avps, diameter.Group(diameter.DeregistrationReason,
		diameter.Number(diameter.ReasonCode, 0), diameter.Text(diameter.ReasonInfo, "the subscription has ended"))) // 0: PERMANENT_TERMINATION
	if err := s.tell(ctx, at.host, diameter.RegistrationTermination, avps); err != nil {
		return fmt.Errorf("hss: deregister %s: %w", impi, err)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.set(imsu, NotRegistered, impus...)
	return nil
}

// PushProfile gives the S-CSCF of a public identity its profile as it is now, by
// PPR (TS 29.228, section 6.2), and returns when that has answered.
func (s *Server) PushProfile(ctx context.Context, impu string) error {
	st := &s.store
	st.mu.Lock()
	if st.status[impu] == NotRegistered {
		st.mu.Unlock()
		return fmt.Errorf("hss: push the profile of %s: it has no S-CSCF, as it is not registered", impu)
	}
	impi, at := st.s.IMPUs[impu].IMPIs[0], st.assigned[st.owner(impu)]
	profile := st.s.UserData(impi, st.together(impu))
	st.mu.Unlock()
	err := s.tell(ctx, at.host, diameter.PushProfile, []diameter.AVP{
		diameter.Text(diameter.UserName, impi), diameter.Text(diameter.UserData, profile)})
	if err != nil {
		return fmt.Errorf("hss: push the profile of %s: %w", impu, err)
	}
	return nil
}

// tell sends a Cx request to an S-CSCF, and returns nil when it succeeded.
func (s *Server) tell(ctx context.Context, host string, command uint32, avps []diameter.AVP) error {
	s.mu.Lock()
	p := s.peers[host]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("the peer %q is not connected", host)
	}
	session := fmt.Sprintf("%s;%d;%d", s.host, time.Now().Unix(), s.number.Add(1)) // RFC 6733, section 8.8
	head := []diameter.AVP{diameter.Text(diameter.SessionID, session), cx(), diameter.Number(diameter.AuthSessionState, 1)}
	head = append(append(head, s.origin()...), diameter.Text(diameter.DestinationHost, p.host), diameter.Text(diameter.DestinationRealm, p.realm))
	a, err := s.ask(ctx, p, diameter.Message{Flags: diameter.Proxiable, Command: command, Application: diameter.ApplicationCx}, append(head, avps...))
	if err != nil {
		return err
	}
	code, vendor, _ := a.AVPs.Result()
	s.log.Info("cx", "sent", diameter.Message{Flags: diameter.Request, Command: command}.Name(), "to", p.host, "result", diameter.ResultName(code, vendor))
	if code != diameter.Success {
		return fmt.Errorf("%s answered %s", p.host, diameter.ResultName(code, vendor))
	}
	return nil
}
