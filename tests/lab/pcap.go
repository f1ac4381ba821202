package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// A Packet is one UDP datagram, or one TCP segment that is not empty, over IPv4.
type Packet struct {
	Time     time.Time
	From, To netip.AddrPort
	Payload  []byte

	tcp   bool
	frame []byte // with its Ethernet, IP and UDP or TCP headers
}

// pcap's own numbers: nanosecond times, Ethernet frames.
const (
	pcapMagic    = 0xa1b23c4d
	pcapEthernet = 1
	maxFrame     = 1 << 18
)

// WritePcap writes the packets as a file that tcpdump and Wireshark read.
func WritePcap(w io.Writer, packets []Packet) error {
	head := []uint32{pcapMagic, 2 | 4<<16, 0, 0, maxFrame, pcapEthernet}
	if err := binary.Write(w, binary.LittleEndian, head); err != nil {
		return err
	}
	for _, p := range packets {
		size := uint32(len(p.frame))
		rec := []uint32{uint32(p.Time.Unix()), uint32(p.Time.Nanosecond()), size, size}
		if err := binary.Write(w, binary.LittleEndian, rec); err != nil {
			return err
		}
		if _, err := w.Write(p.frame); err != nil {
			return err
		}
	}
	return nil
}

// ReadPcap reads what [WritePcap] wrote: little-endian, nanoseconds, Ethernet.
// Frames that aren't UDP over IPv4 are left out.
func ReadPcap(r io.Reader) ([]Packet, error) {
	var head [6]uint32
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return nil, fmt.Errorf("read pcap header: %w", err)
	}
	if head[0] != pcapMagic || head[5] != pcapEthernet {
		return nil, fmt.Errorf("not a pcap file of ours: magic %#x, link type %d", head[0], head[5])
	}
	var packets []Packet
	for {
		var rec [4]uint32
		if err := binary.Read(r, binary.LittleEndian, &rec); errors.Is(err, io.EOF) {
			return packets, nil
		} else if err != nil {
			return packets, fmt.Errorf("read the header of packet %d: %w", len(packets)+1, err)
		}
		if rec[2] > maxFrame {
			return packets, fmt.Errorf("packet %d claims %d bytes", len(packets)+1, rec[2])
		}
		frame := make([]byte, rec[2])
		if _, err := io.ReadFull(r, frame); err != nil {
			return packets, fmt.Errorf("read packet %d: %w", len(packets)+1, err)
		}
		if p, ok := parseFrame(frame); ok && !p.tcp {
			p.Time = time.Unix(int64(rec[0]), int64(rec[1]))
			packets = append(packets, p)
		}
	}
}

// parseFrame takes an Ethernet frame apart; false unless it is a whole UDP
// datagram, or a TCP segment with a payload, over IPv4.
func parseFrame(frame []byte) (Packet, bool) {
	const ethernet, udpHeader, tcpHeader = 14, 8, 20
	const udp, tcp = 17, 6 // IP's numbers for them
	if len(frame) < ethernet+20 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 {
		return Packet{}, false
	}
	ip := frame[ethernet:]
	header, total := int(ip[0]&0x0f)*4, int(binary.BigEndian.Uint16(ip[2:]))
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x3fff // more fragments, or an offset
	if ip[0]>>4 != 4 || header < 20 || total > len(ip) || total < header+udpHeader || fragment != 0 {
		return Packet{}, false
	}
	body := ip[header:total]
	size := udpHeader
	switch protocol := ip[9]; {
	case protocol == tcp && len(body) > tcpHeader:
		size = int(body[12]>>4) * 4
		if size < tcpHeader || size >= len(body) {
			return Packet{}, false
		}
	case protocol != udp:
		return Packet{}, false
	}
	return Packet{
		From:    netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), binary.BigEndian.Uint16(body)),
		To:      netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), binary.BigEndian.Uint16(body[2:])),
		Payload: body[size:],
		tcp:     ip[9] == tcp,
		frame:   frame,
	}, true
}
