package aka

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Vector is one challenge and what the home network tells the S-CSCF about it.
type Vector struct {
	RAND [16]byte
	AUTN [16]byte // SQN xor AK, AMF, MAC-A
	XRES [8]byte  // the answer to expect
	CK   [16]byte // ciphers and
	IK   [16]byte // protects what follows
}

// sqnMask keeps a sequence number to its 48 bits.
const sqnMask = 1<<48 - 1

// Vector makes the challenge of a random number and a sequence number, 48 bits.
func (k Key) Vector(rand [16]byte, sqn uint64, amf [2]byte) Vector {
	macA, _ := k.f1(rand, sqn, amf)
	res, ck, ik, ak, _ := k.f2345(rand)
	v := Vector{RAND: rand, XRES: res, CK: ck, IK: ik}
	hidden := hide(sqn, ak)
	copy(v.AUTN[copy(v.AUTN[copy(v.AUTN[:], hidden[:]):], amf[:])+6:], macA[:])
	return v
}

// Resynchronise reads the card's own sequence number from AUTS, its answer to a
// challenge whose number it had seen before. It says false when the card did not
// sign it (TS 33.102, section 6.3.5).
func (k Key) Resynchronise(rand [16]byte, auts [14]byte) (sqn uint64, ok bool) {
	_, _, _, _, akS := k.f2345(rand)
	sqn = number([6]byte(auts[:6]), akS)
	_, macS := k.f1(rand, sqn, [2]byte{}) // the AMF of a resynchronisation is zero
	return sqn, macS == [8]byte(auts[6:])
}

// Card is a USIM or ISIM: it answers challenges, each sequence number once. It
// serves one goroutine.
type Card struct {
	Key Key
	SQN uint64 // the greatest that was accepted
}

// ErrForged is a challenge that the home network did not make.
var ErrForged = errors.New("aka: the challenge is not the home network's: its MAC is wrong")

// SyncError is a challenge with a sequence number that the card has seen already,
// or a greater one. The phone sends AUTS back and is challenged again.
type SyncError struct {
	AUTS [14]byte
}

func (e *SyncError) Error() string {
	return "aka: the sequence number of the challenge is an old one; send auts"
}

// Answer is the card's part in a call of AKA: RES and the session's keys, or
// ErrForged, or a *SyncError.
func (c *Card) Answer(rand, autn [16]byte) (res [8]byte, ck, ik [16]byte, err error) {
	res, ck, ik, ak, akS := c.Key.f2345(rand)
	sqn := number([6]byte(autn[:6]), ak)
	if macA, _ := c.Key.f1(rand, sqn, [2]byte(autn[6:8])); macA != [8]byte(autn[8:]) {
		return [8]byte{}, ck, ik, ErrForged
	}
	if sqn <= c.SQN {
		e := &SyncError{}
		_, macS := c.Key.f1(rand, c.SQN, [2]byte{})
		hidden := hide(c.SQN, akS)
		copy(e.AUTS[copy(e.AUTS[:], hidden[:]):], macS[:])
		return [8]byte{}, ck, ik, e
	}
	c.SQN = sqn
	return res, ck, ik, nil
}

// Password is what a phone uses as the password of SIP Digest for the nonce of
// a challenge (RFC 3310, section 3.2 and 3.3): RES, in octets. When auts is not
// empty, the password is empty, and auts belongs into the Authorization header.
func (c *Card) Password(nonce string) (password, auts string, err error) {
	b, err := base64.StdEncoding.DecodeString(nonce)
	if err != nil || len(b) < 32 {
		return "", "", fmt.Errorf("aka: %q is not RAND and AUTN in base64", nonce)
	}
	res, _, _, err := c.Answer([16]byte(b), [16]byte(b[16:]))
	if stale, ok := errors.AsType[*SyncError](err); ok {
		return "", base64.StdEncoding.EncodeToString(stale.AUTS[:]), nil
	} else if err != nil {
		return "", "", err
	}
	return string(res[:]), "", nil
}

// Authorization is the value of the header with which a phone answers the value
// of a WWW-Authenticate header, for the algorithms MD5 and AKAv1-MD5, qop "auth"
// or none (RFC 2617, RFC 3310). Password is the digest's, as [Card.Password] or
// a subscriber gives it. With auts not empty it asks for another challenge.
func Authorization(challenge, method, uri, user, password, auts string) (string, error) {
	p := Parameters(challenge)
	algorithm := p["algorithm"]
	switch {
	case p["nonce"] == "" || p["realm"] == "":
		return "", fmt.Errorf("aka: %q is no Digest challenge", challenge)
	case algorithm != "" && !strings.EqualFold(algorithm, "MD5") && !strings.EqualFold(algorithm, "AKAv1-MD5"):
		return "", fmt.Errorf("aka: the challenge wants the algorithm %q", algorithm)
	}
	const nc, cnonce = "00000001", "0a4f113b"
	ha1 := digest(user, p["realm"], password)
	value := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, user, p["realm"], p["nonce"], uri)
	if algorithm != "" {
		value += ", algorithm=" + algorithm
	}
	if p["opaque"] != "" {
		value += fmt.Sprintf(`, opaque="%s"`, p["opaque"])
	}
	if p["qop"] == "" {
		value += fmt.Sprintf(`, response="%s"`, digest(ha1, p["nonce"], digest(method, uri)))
	} else {
		value += fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce, digest(ha1, p["nonce"], nc, cnonce, "auth", digest(method, uri)))
	}
	if auts != "" {
		value += fmt.Sprintf(`, auts="%s"`, auts)
	}
	return value, nil
}

// Parameters are those of a WWW-Authenticate or Authorization header's value, by
// their names in small letters, without quotes.
func Parameters(value string) map[string]string {
	all := map[string]string{}
	_, value, _ = strings.Cut(strings.TrimSpace(value), " ")
	for value != "" {
		name, rest, found := strings.Cut(value, "=")
		if !found {
			break
		}
		name = strings.ToLower(strings.Trim(name, " ,"))
		var text string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			text, value, _ = strings.Cut(quoted, `"`)
		} else {
			text, value, _ = strings.Cut(rest, ",")
		}
		all[name] = strings.TrimSpace(text)
	}
	return all
}

// digest is MD5 of the parts with colons between them, in hexadecimal.
func digest(parts ...string) string {
	return fmt.Sprintf("%x", md5.Sum([]byte(strings.Join(parts, ":"))))
}

// hide writes a sequence number with AK over it, and number reads it.
func hide(sqn uint64, ak [6]byte) [6]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], sqn<<16)
	for i := range ak {
		ak[i] ^= b[i]
	}
	return ak
}

func number(hidden, ak [6]byte) uint64 {
	var b [8]byte
	for i := range ak {
		b[i+2] = hidden[i] ^ ak[i]
	}
	return binary.BigEndian.Uint64(b[:]) & sqnMask
}
