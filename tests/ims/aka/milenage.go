// Package aka is the authentication of 3GPP subscribers for the IMS lab, both
// ends of it: the functions of Milenage (TS 35.206), the vectors that a home
// network makes with them (TS 33.102, section 6.3), and the [Card] in the phone
// that answers a challenge carried in SIP (Digest-AKAv1-MD5, RFC 3310). It is
// for tests only: nothing here resists somebody who measures time.
package aka

import (
	"crypto/aes"
	"encoding/binary"
)

// Key is a subscriber's secret, known to the card and to the home network alone.
type Key struct {
	K   [16]byte // the subscriber's own
	OPc [16]byte // the operator's, mixed with K
}

// NewKey mixes an operator's OP into the subscriber's key.
func NewKey(k, op [16]byte) Key {
	return Key{K: k, OPc: xor(encrypt(k, op), op)}
}

// f1 signs a sequence number and the field AMF: macA by the network, and macS by
// a card that asks for another number (f1*).
func (k Key) f1(rand [16]byte, sqn uint64, amf [2]byte) (macA, macS [8]byte) {
	var in [16]byte
	binary.BigEndian.PutUint64(in[:], sqn<<16|uint64(amf[0])<<8|uint64(amf[1]))
	copy(in[8:], in[:8])
	temp := encrypt(k.K, xor(rand, k.OPc))
	out := xor(encrypt(k.K, xor(temp, rotate(xor(in, k.OPc), 8))), k.OPc) // r1 = 64, c1 = 0
	return [8]byte(out[:8]), [8]byte(out[8:])
}

// f2345 makes all that depends on RAND alone: the answer, the keys of the
// session, and what hides a sequence number: ak for the network's (f5), akS for
// the card's (f5*).
func (k Key) f2345(rand [16]byte) (res [8]byte, ck, ik [16]byte, ak, akS [6]byte) {
	temp := encrypt(k.K, xor(rand, k.OPc))
	// The constants r and c of section 4.1, r in octets.
	out := func(r int, c byte) [16]byte {
		in := rotate(xor(temp, k.OPc), r)
		in[15] ^= c
		return xor(encrypt(k.K, in), k.OPc)
	}
	second, fifth := out(0, 1), out(12, 8)
	return [8]byte(second[8:]), out(4, 2), out(8, 4), [6]byte(second[:6]), [6]byte(fifth[:6])
}

func encrypt(key, block [16]byte) (out [16]byte) {
	c, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a key of 16 octets is always good
	}
	c.Encrypt(out[:], block[:])
	return out
}

func xor(a, b [16]byte) [16]byte {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

// rotate turns a block left by so many octets.
func rotate(a [16]byte, n int) (out [16]byte) {
	copy(out[copy(out[:], a[n:]):], a[:n])
	return out
}
