package hss

import (
	"cmp"
	"encoding/xml"
	"slices"
)

// The elements of a user profile in the order that CxDataType wants (TS 29.228,
// annex E), which is the order of the fields.
type (
	imsSubscription struct {
		XMLName         xml.Name         `xml:"IMSSubscription"`
		PrivateID       string           `xml:"PrivateID"`
		ServiceProfiles []serviceProfile `xml:"ServiceProfile"`
	}
	serviceProfile struct {
		XMLName          xml.Name         `xml:"ServiceProfile"`
		PublicIdentities []publicIdentity `xml:"PublicIdentity"`
		Criteria         []filterCriteria `xml:"InitialFilterCriteria"`
	}
	publicIdentity struct {
		Barring  bit    `xml:"BarringIndication"`
		Identity string `xml:"Identity"`
	}
	filterCriteria struct {
		XMLName      xml.Name          `xml:"InitialFilterCriteria"`
		Priority     int               `xml:"Priority"`
		TriggerPoint *triggerPoint     `xml:"TriggerPoint"`
		Server       applicationServer `xml:"ApplicationServer"`
		ProfilePart  *int              `xml:"ProfilePartIndicator"`
	}
	triggerPoint struct {
		ConditionTypeCNF bit   `xml:"ConditionTypeCNF"`
		SPT              []spt `xml:"SPT"`
	}
	spt struct {
		ConditionNegated   bit      `xml:"ConditionNegated"`
		Group              int      `xml:"Group"`
		RequestURI         Pattern  `xml:"RequestURI,omitempty"`
		Method             string   `xml:"Method,omitempty"`
		SIPHeader          *header  `xml:"SIPHeader"`
		SessionCase        *int     `xml:"SessionCase"`
		SessionDescription *sdpLine `xml:"SessionDescription"`
	}
	header struct {
		Header  Pattern `xml:"Header"`
		Content Pattern `xml:"Content,omitempty"`
	}
	sdpLine struct {
		Line    Pattern `xml:"Line"`
		Content Pattern `xml:"Content,omitempty"`
	}
	applicationServer struct {
		ServerName      string           `xml:"ServerName"`
		DefaultHandling Handling         `xml:"DefaultHandling"`
		ServiceInfo     string           `xml:"ServiceInfo,omitempty"`
		Extension       *serverExtension `xml:"Extension"`
	}
	serverExtension struct {
		IncludeRegisterRequest  *struct{} `xml:"IncludeRegisterRequest"`
		IncludeRegisterResponse *struct{} `xml:"IncludeRegisterResponse"`
	}
)

// bit is a boolean, written 0 or 1 as other HSS do.
type bit bool

func (b bit) MarshalText() ([]byte, error) {
	if b {
		return []byte("1"), nil
	}
	return []byte("0"), nil
}

// MarshalXML hides Handling's text: the element holds the number.
func (h Handling) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return e.EncodeElement(int(h), start)
}

// UserData is the user profile that an S-CSCF is given for a private identity
// and some public identities of it, all in one implicit set: the content of the
// AVP User-Data (TS 29.228, annex B). Identities with the same service profile
// stand in one element, the first that was named first.
func (s *Subscribers) UserData(impi string, impus []string) []byte {
	return s.encode(s.subscription(impi, impus), "")
}

// Pages are the files of etc/ims that show what a file of subscribers means on
// the wire, for those who feed another HSS: by their names, the XML of a service
// profile with one of its identities, and of filter criteria alone.
func (s *Subscribers) Pages(impi string, impus []string, criteria Attached) map[string][]byte {
	return map[string][]byte{
		"service-profile.xml": s.encode(s.subscription(impi, impus), "  "),
		"ifc.xml":             s.encode(s.criteria(criteria), "  "),
	}
}

func (s *Subscribers) encode(v any, indent string) []byte {
	b, err := xml.MarshalIndent(v, "", indent)
	if err != nil {
		panic(err) // our own types, all of which can be written
	}
	if indent != "" {
		b = append(b, '\n')
	}
	return append([]byte(xml.Header), b...)
}

func (s *Subscribers) subscription(impi string, impus []string) imsSubscription {
	all := imsSubscription{PrivateID: impi}
	at := map[string]int{} // in all, by the profile's name
	for _, name := range impus {
		u := s.IMPUs[name]
		i, there := at[u.ServiceProfile]
		if !there {
			i = len(all.ServiceProfiles)
			at[u.ServiceProfile] = i
			all.ServiceProfiles = append(all.ServiceProfiles, s.profile(u.ServiceProfile))
		}
		p := &all.ServiceProfiles[i]
		p.PublicIdentities = append(p.PublicIdentities, publicIdentity{Barring: bit(u.Barring), Identity: name})
	}
	return all
}

func (s *Subscribers) profile(name string) serviceProfile {
	attached := slices.Clone(s.ServiceProfiles[name].FilterCriteria)
	slices.SortFunc(attached, func(a, b Attached) int { return cmp.Compare(a.Priority, b.Priority) })
	var p serviceProfile
	for _, a := range attached {
		p.Criteria = append(p.Criteria, s.criteria(a))
	}
	return p
}

func (s *Subscribers) criteria(a Attached) filterCriteria {
	ifc := s.FilterCriteria[a.Name]
	as := s.ApplicationServers[ifc.ApplicationServer]
	x := filterCriteria{Priority: a.Priority, Server: applicationServer{
		ServerName: as.ServerName, DefaultHandling: as.DefaultHandling, ServiceInfo: as.ServiceInfo,
	}}
	if as.IncludeRegisterRequest || as.IncludeRegisterResponse {
		x.Server.Extension = &serverExtension{present(as.IncludeRegisterRequest), present(as.IncludeRegisterResponse)}
	}
	if ifc.ProfilePart != Always {
		x.ProfilePart = new(int(ifc.ProfilePart) - 1)
	}
	if tp, ok := s.TriggerPoints[ifc.TriggerPoint]; ok {
		x.TriggerPoint = &triggerPoint{ConditionTypeCNF: tp.ConditionType == CNF}
		for _, row := range tp.SPT {
			x.TriggerPoint.SPT = append(x.TriggerPoint.SPT, row.element())
		}
	}
	return x
}

func (row ServicePointTrigger) element() spt {
	x := spt{ConditionNegated: bit(row.Not), Group: row.Group, RequestURI: row.RequestURI, Method: row.Method}
	if row.Header != "" {
		x.SIPHeader = &header{row.Header, row.HeaderContent}
	}
	if row.SessionCase != 0 {
		x.SessionCase = new(int(row.SessionCase) - 1)
	}
	if row.SessionDescription != "" {
		x.SessionDescription = &sdpLine{row.SessionDescription, row.SessionDescriptionContent}
	}
	return x
}

// present is an element without content, or none.
func present(is bool) *struct{} {
	if is {
		return &struct{}{}
	}
	return nil
}
