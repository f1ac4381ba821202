package diameter

import (
	"fmt"
	"strings"
	"unicode"
)

// Vendor3GPP and ApplicationCx are the numbers of TS 29.229, section 6; a relay
// advertises ApplicationRelay instead of what it relays (RFC 6733, section 2.4).
const (
	Vendor3GPP       = 10415
	ApplicationCx    = 16777216
	ApplicationRelay = 0xffffffff
)

// Commands: RFC 6733, section 3.1, and TS 29.229, section 6.1.
const (
	CapabilitiesExchange    = 257
	DeviceWatchdog          = 280
	DisconnectPeer          = 282
	UserAuthorization       = 300
	ServerAssignment        = 301
	LocationInfo            = 302
	MultimediaAuth          = 303
	RegistrationTermination = 304
	PushProfile             = 305
)

var commands = map[uint32]string{ // without the last letter, R or A
	CapabilitiesExchange: "CE", DeviceWatchdog: "DW", DisconnectPeer: "DP",
	UserAuthorization: "UA", ServerAssignment: "SA", LocationInfo: "LI", MultimediaAuth: "MA",
	RegistrationTermination: "RT", PushProfile: "PP",
}

// Result codes of the base protocol (RFC 6733, section 7.1).
const (
	Success               = 2001
	CommandUnsupported    = 3001
	RealmNotServed        = 3003
	ApplicationUnknown    = 3007
	AuthorizationRejected = 5003
	MissingAVP            = 5005
	NoCommonApplication   = 5010
	UnsupportedVersion    = 5011
	UnableToComply        = 5012
	InvalidAVPLength      = 5014
	InvalidMessageLength  = 5015
)

// Result codes of Cx, which travel in Experimental-Result (TS 29.229, section 6.2).
const (
	FirstRegistration         = 2001
	SubsequentRegistration    = 2002
	UnregisteredService       = 2003
	SuccessServerNameNotKept  = 2004
	UserUnknown               = 5001
	IdentitiesDontMatch       = 5002
	IdentityNotRegistered     = 5003
	RoamingNotAllowed         = 5004
	IdentityAlreadyRegistered = 5005
	AuthSchemeNotSupported    = 5006
	InAssignmentType          = 5007
)

var results = map[ID]string{ // Code is the result's
	{Success, 0}:                            "SUCCESS",
	{CommandUnsupported, 0}:                 "COMMAND_UNSUPPORTED",
	{RealmNotServed, 0}:                     "REALM_NOT_SERVED",
	{ApplicationUnknown, 0}:                 "APPLICATION_UNSUPPORTED",
	{AuthorizationRejected, 0}:              "AUTHORIZATION_REJECTED",
	{MissingAVP, 0}:                         "MISSING_AVP",
	{NoCommonApplication, 0}:                "NO_COMMON_APPLICATION",
	{UnsupportedVersion, 0}:                 "UNSUPPORTED_VERSION",
	{UnableToComply, 0}:                     "UNABLE_TO_COMPLY",
	{InvalidAVPLength, 0}:                   "INVALID_AVP_LENGTH",
	{InvalidMessageLength, 0}:               "INVALID_MESSAGE_LENGTH",
	{FirstRegistration, Vendor3GPP}:         "FIRST_REGISTRATION",
	{SubsequentRegistration, Vendor3GPP}:    "SUBSEQUENT_REGISTRATION",
	{UnregisteredService, Vendor3GPP}:       "UNREGISTERED_SERVICE",
	{SuccessServerNameNotKept, Vendor3GPP}:  "SUCCESS_SERVER_NAME_NOT_STORED",
	{UserUnknown, Vendor3GPP}:               "USER_UNKNOWN",
	{IdentitiesDontMatch, Vendor3GPP}:       "IDENTITIES_DONT_MATCH",
	{IdentityNotRegistered, Vendor3GPP}:     "IDENTITY_NOT_REGISTERED",
	{RoamingNotAllowed, Vendor3GPP}:         "ROAMING_NOT_ALLOWED",
	{IdentityAlreadyRegistered, Vendor3GPP}: "IDENTITY_ALREADY_REGISTERED",
	{AuthSchemeNotSupported, Vendor3GPP}:    "AUTH_SCHEME_NOT_SUPPORTED",
	{InAssignmentType, Vendor3GPP}:          "IN_ASSIGNMENT_TYPE",
}

// Values of Server-Assignment-Type (TS 29.229, section 6.3.15).
const (
	NoAssignment = iota
	Registration
	ReRegistration
	UnregisteredUser
	TimeoutDeregistration
	UserDeregistration
	TimeoutDeregistrationStoreServerName
	UserDeregistrationStoreServerName
	AdministrativeDeregistration
	AuthenticationFailure
	AuthenticationTimeout
	DeregistrationTooMuchData
)

var assignments = [...]string{
	"NO_ASSIGNMENT", "REGISTRATION", "RE_REGISTRATION", "UNREGISTERED_USER", "TIMEOUT_DEREGISTRATION", "USER_DEREGISTRATION",
	"TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME", "USER_DEREGISTRATION_STORE_SERVER_NAME", "ADMINISTRATIVE_DEREGISTRATION",
	"AUTHENTICATION_FAILURE", "AUTHENTICATION_TIMEOUT", "DEREGISTRATION_TOO_MUCH_DATA",
}

// Values of User-Authorization-Type (TS 29.229, section 6.3.24).
const (
	AuthorizeRegistration   = 0
	AuthorizeDeregistration = 1
	AuthorizeCapabilities   = 2
)

// AVPs: RFC 6733, section 4.5; RFC 4740 (the Digest ones); TS 29.229, section 6.3.
var (
	UserName                    = ID{1, 0}
	HostIPAddress               = ID{257, 0}
	AuthApplicationID           = ID{258, 0}
	VendorSpecificApplicationID = ID{260, 0}
	SessionID                   = ID{263, 0}
	OriginHost                  = ID{264, 0}
	SupportedVendorID           = ID{265, 0}
	VendorID                    = ID{266, 0}
	ResultCode                  = ID{268, 0}
	ProductName                 = ID{269, 0}
	DisconnectCause             = ID{273, 0}
	AuthSessionState            = ID{277, 0}
	FailedAVP                   = ID{279, 0}
	DestinationRealm            = ID{283, 0}
	DestinationHost             = ID{293, 0}
	OriginRealm                 = ID{296, 0}
	ExperimentalResult          = ID{297, 0}
	ExperimentalResultCode      = ID{298, 0}

	DigestRealm     = ID{104, 0}
	DigestQoP       = ID{110, 0}
	DigestAlgorithm = ID{111, 0}
	DigestHA1       = ID{121, 0}

	VisitedNetwork           = ID{600, Vendor3GPP}
	PublicIdentity           = ID{601, Vendor3GPP}
	ServerName               = ID{602, Vendor3GPP}
	ServerCapabilities       = ID{603, Vendor3GPP}
	MandatoryCapability      = ID{604, Vendor3GPP}
	OptionalCapability       = ID{605, Vendor3GPP}
	UserData                 = ID{606, Vendor3GPP}
	NumberAuthItems          = ID{607, Vendor3GPP}
	AuthenticationScheme     = ID{608, Vendor3GPP}
	Authenticate             = ID{609, Vendor3GPP}
	Authorization            = ID{610, Vendor3GPP}
	AuthDataItem             = ID{612, Vendor3GPP}
	ItemNumber               = ID{613, Vendor3GPP}
	ServerAssignmentType     = ID{614, Vendor3GPP}
	DeregistrationReason     = ID{615, Vendor3GPP}
	ReasonCode               = ID{616, Vendor3GPP}
	ReasonInfo               = ID{617, Vendor3GPP}
	UserAuthorizationType    = ID{623, Vendor3GPP}
	UserDataAlreadyAvailable = ID{624, Vendor3GPP}
	ConfidentialityKey       = ID{625, Vendor3GPP}
	IntegrityKey             = ID{626, Vendor3GPP}
	SupportedFeatures        = ID{628, Vendor3GPP}
	OriginatingRequest       = ID{633, Vendor3GPP}
	SIPDigestAuthenticate    = ID{635, Vendor3GPP}
)

type kind int

const (
	octets kind = iota // also text, addresses and what we don't know
	number             // Unsigned32 and Enumerated
	grouped
)

// dictionary has the AVPs that we name; the rest is carried, not understood.
var dictionary = map[ID]struct {
	name string
	kind kind
}{
	UserName:                    {"User-Name", octets},
	HostIPAddress:               {"Host-IP-Address", octets},
	AuthApplicationID:           {"Auth-Application-Id", number},
	VendorSpecificApplicationID: {"Vendor-Specific-Application-Id", grouped},
	SessionID:                   {"Session-Id", octets},
	OriginHost:                  {"Origin-Host", octets},
	SupportedVendorID:           {"Supported-Vendor-Id", number},
	VendorID:                    {"Vendor-Id", number},
	ResultCode:                  {"Result-Code", number},
	ProductName:                 {"Product-Name", octets},
	DisconnectCause:             {"Disconnect-Cause", number},
	AuthSessionState:            {"Auth-Session-State", number},
	FailedAVP:                   {"Failed-AVP", octets}, // a group that may hold what is malformed
	DestinationRealm:            {"Destination-Realm", octets},
	DestinationHost:             {"Destination-Host", octets},
	OriginRealm:                 {"Origin-Realm", octets},
	ExperimentalResult:          {"Experimental-Result", grouped},
	ExperimentalResultCode:      {"Experimental-Result-Code", number},
	DigestRealm:                 {"Digest-Realm", octets},
	DigestQoP:                   {"Digest-QoP", octets},
	DigestAlgorithm:             {"Digest-Algorithm", octets},
	DigestHA1:                   {"Digest-HA1", octets},
	VisitedNetwork:              {"Visited-Network-Identifier", octets},
	PublicIdentity:              {"Public-Identity", octets},
	ServerName:                  {"Server-Name", octets},
	ServerCapabilities:          {"Server-Capabilities", grouped},
	MandatoryCapability:         {"Mandatory-Capability", number},
	OptionalCapability:          {"Optional-Capability", number},
	UserData:                    {"User-Data", octets},
	NumberAuthItems:             {"SIP-Number-Auth-Items", number},
	AuthenticationScheme:        {"SIP-Authentication-Scheme", octets},
	Authenticate:                {"SIP-Authenticate", octets},
	Authorization:               {"SIP-Authorization", octets},
	AuthDataItem:                {"SIP-Auth-Data-Item", grouped},
	ItemNumber:                  {"SIP-Item-Number", number},
	ServerAssignmentType:        {"Server-Assignment-Type", number},
	DeregistrationReason:        {"Deregistration-Reason", grouped},
	ReasonCode:                  {"Reason-Code", number},
	ReasonInfo:                  {"Reason-Info", octets},
	UserAuthorizationType:       {"User-Authorization-Type", number},
	UserDataAlreadyAvailable:    {"User-Data-Already-Available", number},
	ConfidentialityKey:          {"Confidentiality-Key", octets},
	IntegrityKey:                {"Integrity-Key", octets},
	SupportedFeatures:           {"Supported-Features", grouped},
	OriginatingRequest:          {"Originating-Request", number},
	SIPDigestAuthenticate:       {"SIP-Digest-Authenticate", grouped},
}

func (id ID) kind() kind { return dictionary[id].kind }

// size is how many octets the value must have; -1 says any number.
func (id ID) size() int {
	if id.kind() == number {
		return 4
	}
	return -1
}

// String is the attribute's name, such as Public-Identity, or its numbers.
func (id ID) String() string {
	if known, ok := dictionary[id]; ok {
		return known.name
	}
	return fmt.Sprintf("%d/%d", id.Code, id.Vendor)
}

// String is the attribute with its value, for people; octets that are no text
// are only counted. Secrets are not hidden: this is for tests.
func (a AVP) String() string {
	switch a.kind() {
	case number:
		n, _ := AVPs{a}.Number(a.ID)
		return fmt.Sprintf("%s=%d", a.ID, n)
	case grouped:
		members, _ := parseAVPs(a.Data, 1)
		all := make([]string, len(members))
		for i, m := range members {
			all[i] = m.String()
		}
		return a.ID.String() + "{" + strings.Join(all, " ") + "}"
	}
	text := string(a.Data)
	if strings.ContainsFunc(text, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%s=(%d octets)", a.ID, len(a.Data))
	}
	return a.ID.String() + "=" + text
}

// Name is the message's name, such as MAR or MAA, and the command's number with
// an R or A when we have none.
func (m Message) Name() string {
	name, ok := commands[m.Command]
	if !ok {
		name = fmt.Sprint(m.Command)
	}
	if m.IsRequest() {
		return name + "R"
	}
	return name + "A"
}

// Summary is the message in a line of printable characters: its name, whom it
// concerns, what is asked or how it ended. Such as
//
//	SAR sip:1000@ims.test REGISTRATION
//	UAA FIRST_REGISTRATION
func (m Message) Summary() string {
	line := m.Name()
	who := m.AVPs.Text(PublicIdentity)
	if who == "" && m.IsRequest() {
		who = m.AVPs.Text(UserName)
	}
	if who != "" {
		line += " " + strings.ToValidUTF8(who, "?")
	}
	if t, ok := m.AVPs.Number(ServerAssignmentType); ok {
		line += " " + AssignmentName(t)
	}
	if items := m.AVPs.Group(AuthDataItem); len(items) > 0 {
		line += " " + strings.ToValidUTF8(items.Text(AuthenticationScheme), "?")
	}
	if code, vendor, ok := m.AVPs.Result(); ok {
		line += " " + ResultName(code, vendor)
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, line)
}

// ResultName is a result's name in the standards without their DIAMETER_ and
// ERROR_, or its number.
func ResultName(code, vendor uint32) string {
	if name, ok := results[ID{code, vendor}]; ok {
		return name
	}
	return fmt.Sprint(code)
}

// AssignmentName is a Server-Assignment-Type's name, or its number.
func AssignmentName(t uint32) string {
	if int(t) < len(assignments) {
		return assignments[t]
	}
	return fmt.Sprint(t)
}
