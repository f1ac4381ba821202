package diameter

import "encoding/binary"

// AVPs are the attributes of a message or of a group, in their order.
type AVPs []AVP

// Text makes an AVP of text or octets. Like all that are made here it is
// mandatory, as each AVP that we send is in TS 29.229 and RFC 6733.
func Text[T ~string | ~[]byte](id ID, value T) AVP {
	a := AVP{ID: id, Flags: MandatoryBit, Data: []byte(value)}
	if id.Vendor != 0 {
		a.Flags |= VendorBit
	}
	return a
}

// Number makes an AVP of type Unsigned32 or Enumerated.
func Number(id ID, value uint32) AVP {
	return Text(id, binary.BigEndian.AppendUint32(nil, value))
}

// Group makes an AVP that holds others.
func Group(id ID, members ...AVP) AVP {
	var data []byte
	for _, a := range members {
		data = a.append(data)
	}
	return Text(id, data)
}

// Find returns the first AVP of that name.
func (l AVPs) Find(id ID) (AVP, bool) {
	for _, a := range l {
		if a.ID == id {
			return a, true
		}
	}
	return AVP{}, false
}

// Text is the value of the first AVP of that name, and empty without one.
func (l AVPs) Text(id ID) string {
	a, _ := l.Find(id)
	return string(a.Data)
}

// Texts are the values of all AVPs of that name.
func (l AVPs) Texts(id ID) []string {
	var all []string
	for _, a := range l {
		if a.ID == id {
			all = append(all, string(a.Data))
		}
	}
	return all
}

// Number is the value of the first AVP of that name, if it is there and has the
// four octets of a number.
func (l AVPs) Number(id ID) (uint32, bool) {
	a, _ := l.Find(id)
	if len(a.Data) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(a.Data), true
}

// Group is what the first AVP of that name holds: nothing, if there is none or
// if it holds no AVPs.
func (l AVPs) Group(id ID) AVPs {
	a, _ := l.Find(id)
	members, err := parseAVPs(a.Data, 1)
	if err != nil {
		return nil
	}
	return members
}

// Result is how a request ended: Result-Code, or the code inside
// Experimental-Result, whose vendor it then is.
func (l AVPs) Result() (code, vendor uint32, ok bool) {
	if code, ok = l.Number(ResultCode); ok {
		return code, 0, true
	}
	experimental := l.Group(ExperimentalResult)
	code, ok = experimental.Number(ExperimentalResultCode)
	vendor, _ = experimental.Number(VendorID)
	return code, vendor, ok
}
