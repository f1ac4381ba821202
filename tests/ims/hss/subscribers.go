package hss

import (
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"adcredit/etc"
)

// Subscribers is what the HSS knows, as one file says it. Its objects are those
// of FHoSS's screens, and refer to each other by their names. What a field means
// is said in etc/ims/subscribers.toml.
//
// Made by [Load], it may be changed until it is given to a Server; after that it
// belongs to the Server.
type Subscribers struct {
	Realm              string                           `toml:"realm" like:"\"ims.test\""`
	ApplicationServers map[string]ApplicationServer     `toml:"application_server"`
	TriggerPoints      map[string]TriggerPoint          `toml:"trigger_point"`
	FilterCriteria     map[string]InitialFilterCriteria `toml:"initial_filter_criteria"`
	ServiceProfiles    map[string]ServiceProfile        `toml:"service_profile"`
	IMSUs              map[string]IMSU                  `toml:"imsu"`
	IMPIs              map[string]IMPI                  `toml:"impi"`
	IMPUs              map[string]IMPU                  `toml:"impu"`
}

// ApplicationServer is where calls are sent, and what becomes of them when
// nobody answers there.
type ApplicationServer struct {
	ServerName              string   `toml:"server_name" like:"\"sip:127.0.0.9:5060\""`
	DefaultHandling         Handling `toml:"default_handling" like:"\"SESSION_CONTINUED\""`
	ServiceInfo             string   `toml:"service_info"`
	IncludeRegisterRequest  bool     `toml:"include_register_request"`
	IncludeRegisterResponse bool     `toml:"include_register_response"`
}

// TriggerPoint is a condition on an initial request.
type TriggerPoint struct {
	ConditionType Condition             `toml:"condition_type" like:"\"CNF\""`
	SPT           []ServicePointTrigger `toml:"spt"`
}

// ServicePointTrigger is one row of a trigger point: one of its conditions, in a
// group, perhaps negated.
type ServicePointTrigger struct {
	Group int  `toml:"group"`
	Not   bool `toml:"not"`

	RequestURI                Pattern     `toml:"request_uri" like:"\"^sip:2[0-9]+@\""`
	Method                    string      `toml:"sip_method" like:"\"INVITE\""`
	Header                    Pattern     `toml:"sip_header" like:"\"Supported\""`
	HeaderContent             Pattern     `toml:"sip_header_content"`
	SessionCase               SessionCase `toml:"session_case" like:"\"originating\""`
	SessionDescription        Pattern     `toml:"session_description" like:"\"m\""`
	SessionDescriptionContent Pattern     `toml:"session_description_content"`
}

// InitialFilterCriteria sends what a trigger point finds to an application server.
type InitialFilterCriteria struct {
	TriggerPoint      string `toml:"trigger_point"`
	ApplicationServer string `toml:"application_server"`
	ProfilePart       Part   `toml:"profile_part"`
}

// ServiceProfile is what a public identity has: filter criteria, each with its
// priority.
type ServiceProfile struct {
	FilterCriteria []Attached `toml:"initial_filter_criteria"`
}

// Attached is a criterion in a service profile; the least priority comes first.
type Attached struct {
	Name     string `toml:"name"`
	Priority int    `toml:"priority"`
}

// IMSU is a subscription: one customer with all identities, served by one S-CSCF.
type IMSU struct {
	Capabilities   []Capability `toml:"capabilities" like:"[\"1\"]"`
	PreferredSCSCF string       `toml:"preferred_scscf" like:"\"sip:127.0.0.2:6060\""`
}

// IMPI is a private identity: whom a phone says it is, and how it proves it.
type IMPI struct {
	IMSU   string `toml:"imsu"`
	Scheme Scheme `toml:"scheme" like:"\"SIP Digest\""`
	Secret string `toml:"secret" like:"\"a password\""`
	K      Octets `toml:"k" like:"\"465b5ce8b199b49faa5f0a2ee238a6bc\""`
	OP     Octets `toml:"op" like:"\"cdc202d5123e20f62b6d676ac72cb318\""`
	OPc    Octets `toml:"opc" like:"\"cd63cb71954a9f4e48a5994e37a02baf\""`
	AMF    Octets `toml:"amf" like:"\"8000\""`
}

// SetDefaults implements etc.Defaulter.
func (i *IMPI) SetDefaults() { i.AMF = Octets{0x80, 0} }

// IMPU is a public identity: what others call, and what is charged.
type IMPU struct {
	IMPIs           []string `toml:"impi" like:"[\"1000@ims.test\"]"`
	Barring         bool     `toml:"barring"`
	CanRegister     bool     `toml:"can_register"`
	ImplicitSet     int      `toml:"implicit_set"`
	ServiceProfile  string   `toml:"service_profile"`
	VisitedNetworks []string `toml:"visited_networks" like:"[\"ims.test\"]"`
}

// SetDefaults implements etc.Defaulter.
func (i *IMPU) SetDefaults() { i.CanRegister = true }

// Load reads subscribers from a TOML file. What is refused comes back as an
// *etc.Error, with file, line, key and what to write instead.
func Load(file string) (*Subscribers, error) {
	s := &Subscribers{}
	noVariables := func(string) string { return "" }
	err := etc.File{Path: file, Named: true, Example: "ims/subscribers.toml"}.Load(s, noVariables)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Handling is what the S-CSCF does when the application server does not answer.
type Handling int

// Values of DefaultHandling (TS 29.228, annex F).
const (
	SessionContinued Handling = iota
	SessionTerminated
)

// Condition says how the groups of a trigger point are joined: conjunctive
// normal form is an AND of ORs, disjunctive an OR of ANDs.
type Condition int

// The two conditions, as ConditionTypeCNF writes them.
const (
	DNF Condition = iota
	CNF
)

// Part is when criteria apply: always, or while the user is registered, or not.
type Part int

// The parts of a profile, less one as ProfilePartIndicator writes them.
const (
	Always Part = iota
	WhileRegistered
	WhileUnregistered
)

// SessionCase is whose request it is; the zero value says nothing about it.
type SessionCase int

// The cases, each one more than in the element SessionCase.
const (
	Originating SessionCase = iota + 1
	TerminatingRegistered
	TerminatingUnregistered
	OriginatingUnregistered
)

// Scheme is a way to authenticate.
type Scheme int

// The schemes that we have (TS 29.229, section 6.3.9).
const (
	SIPDigest Scheme = iota
	AKA
)

var (
	handlings    = []string{"SESSION_CONTINUED", "SESSION_TERMINATED"}
	conditions   = []string{"DNF", "CNF"}
	parts        = []string{"always", "registered", "unregistered"}
	sessionCases = []string{"", "originating", "terminating_registered", "terminating_unregistered", "originating_unregistered"}
	schemes      = []string{"SIP Digest", "Digest-AKAv1-MD5"}
)

// word finds a text in a list of those there are.
func word[T ~int](into *T, words []string, text []byte) error {
	i := slices.Index(words, string(text))
	if i < 0 || len(text) == 0 {
		return fmt.Errorf("%q is none of the words there are; write one of: %s", text, strings.TrimPrefix(strings.Join(words, ", "), ", "))
	}
	*into = T(i)
	return nil
}

func (h *Handling) UnmarshalText(text []byte) error    { return word(h, handlings, text) }
func (c *Condition) UnmarshalText(text []byte) error   { return word(c, conditions, text) }
func (p *Part) UnmarshalText(text []byte) error        { return word(p, parts, text) }
func (c *SessionCase) UnmarshalText(text []byte) error { return word(c, sessionCases, text) }
func (s *Scheme) UnmarshalText(text []byte) error      { return word(s, schemes, text) }

func (h Handling) String() string    { return handlings[h] }
func (c Condition) String() string   { return conditions[c] }
func (p Part) String() string        { return parts[p] }
func (c SessionCase) String() string { return sessionCases[c] }
func (s Scheme) String() string      { return schemes[s] }

// Pattern is a POSIX extended regular expression, as TS 29.228 wants them.
type Pattern string

// UnmarshalText refuses what is none.
func (p *Pattern) UnmarshalText(text []byte) error {
	if _, err := regexp.CompilePOSIX(string(text)); err != nil || len(text) == 0 {
		return fmt.Errorf("%q is not a POSIX extended regular expression; write one between single quotes, like '^sip:2[0-9]+@ims\\.test'", text)
	}
	*p = Pattern(text)
	return nil
}

// Capability is the number of something that an S-CSCF can do (TS 29.228, 6.7).
type Capability uint32

// UnmarshalText reads a number.
func (c *Capability) UnmarshalText(text []byte) error {
	var n uint32
	if _, err := fmt.Sscanf(string(text), "%d", &n); err != nil || fmt.Sprint(n) != string(text) {
		return fmt.Errorf("%q is not a capability; write a number between quotes, like \"1\"", text)
	}
	*c = Capability(n)
	return nil
}

// Octets are written in hexadecimal.
type Octets []byte

// UnmarshalText reads hexadecimal digits.
func (o *Octets) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("is not hexadecimal; write two digits from 0-9 and a-f for each octet")
	}
	*o = b
	return nil
}

// Check implements etc.Checker: it finds names that nothing has, and objects
// that could not do their work.
func (s *Subscribers) Check() []etc.Problem {
	c := checker{}
	if s.Realm == "" {
		c.add(key("realm"), "is not set; write the home network's domain, like \"ims.test\"")
	}
	for name, as := range sorted(s.ApplicationServers) {
		if !strings.HasPrefix(as.ServerName, "sip:") && !strings.HasPrefix(as.ServerName, "sips:") {
			c.add(key("application_server", name, "server_name"), "%q is not a SIP URI; write one, like \"sip:127.0.0.9:5060\"", as.ServerName)
		}
	}
	for name, tp := range sorted(s.TriggerPoints) {
		at := key("trigger_point", name)
		if len(tp.SPT) == 0 {
			c.add(at, "has no rows, so nothing could match; write: spt = [{ group = 0, sip_method = \"INVITE\" }]")
		}
		for i, row := range tp.SPT {
			c.row(fmt.Sprintf("%s.spt.%d", at, i+1), row)
		}
	}
	for name, ifc := range sorted(s.FilterCriteria) {
		at := key("initial_filter_criteria", name)
		if ifc.TriggerPoint != "" { // none: each request matches
			known(&c, at+".trigger_point", "trigger_point", ifc.TriggerPoint, s.TriggerPoints)
		}
		known(&c, at+".application_server", "application_server", ifc.ApplicationServer, s.ApplicationServers)
	}
	for name, sp := range sorted(s.ServiceProfiles) {
		taken := map[int]bool{}
		for i, a := range sp.FilterCriteria {
			at := fmt.Sprintf("%s.%d", key("service_profile", name, "initial_filter_criteria"), i+1)
			known(&c, at+".name", "initial_filter_criteria", a.Name, s.FilterCriteria)
			if a.Priority < 0 || taken[a.Priority] {
				c.add(at+".priority", "%d is negative or taken; give each criterion of a profile another priority from 0", a.Priority)
			}
			taken[a.Priority] = true
		}
	}
	s.checkUsers(&c)
	return c.problems
}

func (s *Subscribers) checkUsers(c *checker) {
	for name, i := range sorted(s.IMPIs) {
		at := key("impi", name)
		known(c, at+".imsu", "imsu", i.IMSU, s.IMSUs)
		switch {
		case i.Secret == "" && i.Scheme == SIPDigest:
			c.add(at, "has the scheme SIP Digest and no secret; write: secret = \"a password\"")
		case len(i.K) == 0 && i.Scheme == AKA:
			c.add(at, "has the scheme Digest-AKAv1-MD5 and no k; write k and opc, 32 hexadecimal digits each")
		case len(i.K) > 0 && (len(i.K) != 16 || len(i.OP) > 0 == (len(i.OPc) > 0) || len(i.OP)+len(i.OPc) != 16):
			c.add(at, "has a k; write it and either op or opc, 32 hexadecimal digits each")
		case len(i.AMF) != 2:
			c.add(at+".amf", "is not two octets; write four hexadecimal digits, like \"8000\"")
		}
	}
	sets := map[int]string{} // the subscription that has an implicit set
	for name, u := range sorted(s.IMPUs) {
		at := key("impu", name)
		if !strings.HasPrefix(name, "sip:") && !strings.HasPrefix(name, "tel:") || strings.ContainsAny(name, "; \t<>\"") {
			c.add(at, "is not a public identity; write a URI without parameters, like [impu.\"sip:1000@ims.test\"]")
		}
		known(c, at+".service_profile", "service_profile", u.ServiceProfile, s.ServiceProfiles)
		if len(u.IMPIs) == 0 {
			c.add(at, "has no private identity, so nobody could use it; write: impi = [\"1000@ims.test\"]")
		}
		imsu := ""
		for _, impi := range u.IMPIs {
			known(c, at+".impi", "impi", impi, s.IMPIs)
			owner := s.IMPIs[impi].IMSU
			if imsu != "" && owner != imsu {
				c.add(at+".impi", "names private identities of two subscriptions; keep those of one")
			}
			imsu = owner
		}
		if u.ImplicitSet == 0 {
			continue
		}
		if other, taken := sets[u.ImplicitSet]; taken && other != imsu {
			c.add(at+".implicit_set", "%d has identities of another subscription; write another number", u.ImplicitSet)
		}
		sets[u.ImplicitSet] = imsu
	}
}

type checker struct{ problems []etc.Problem }

func (c *checker) add(key, format string, args ...any) {
	c.problems = append(c.problems, etc.Problem{Key: key, What: fmt.Sprintf(format, args...)})
}

// row checks that a service point trigger says one thing.
func (c *checker) row(at string, row ServicePointTrigger) {
	said := 0
	for _, is := range []bool{row.RequestURI != "", row.Method != "", row.Header != "", row.SessionCase != 0, row.SessionDescription != ""} {
		if is {
			said++
		}
	}
	switch {
	case said != 1:
		c.add(at, "has %d conditions; write one of request_uri, sip_method, sip_header, session_case and session_description", said)
	case row.HeaderContent != "" && row.Header == "":
		c.add(at, "has sip_header_content without sip_header; write which header's content that is")
	case row.SessionDescriptionContent != "" && row.SessionDescription == "":
		c.add(at, "has session_description_content without session_description; write which line's content that is, like \"m\"")
	case row.Group < 0 || row.Group > 255:
		c.add(at, "has the group %d; write a number from 0 to 255", row.Group)
	}
}

// known checks that a name is one of those in a table.
func known[T any](c *checker, at, table, name string, in map[string]T) {
	if _, ok := in[name]; ok {
		return
	}
	there := slices.Sorted(maps.Keys(in))
	if len(there) == 0 {
		c.add(at, "%q is no %s, as there is none; write one below a line [%s.NAME]", name, table, table)
		return
	}
	c.add(at, "%q is no %s; write one of: %s", name, table, strings.Join(there, ", "))
}

// sorted goes through a map by its keys.
func sorted[T any](m map[string]T) func(yield func(string, T) bool) {
	return func(yield func(string, T) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

// key writes a key as TOML does.
func key(parts ...string) string { return toml.Key(parts).String() }
