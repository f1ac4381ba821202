package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// Network is an address or a network: 10.0.0.7, 10.0.0.0/24, 2001:db8::/32.
type Network struct{ netip.Prefix }

// UnmarshalText reads one.
func (n *Network) UnmarshalText(text []byte) (err error) {
	if n.Prefix, err = netip.ParsePrefix(string(text)); err == nil && !n.Addr().Is4In6() {
		return nil
	}
	address, err := netip.ParseAddr(string(text))
	if err != nil || address.Zone() != "" || address.Is4In6() {
		return fmt.Errorf("%q is not an address or a network; write it like 10.0.0.7 or 10.0.0.0/24", text)
	}
	n.Prefix = netip.PrefixFrom(address, address.BitLen())
	return nil
}

// FastAGINetworks are the networks of FastAGIAllow.
func (c *Config) FastAGINetworks() []netip.Prefix {
	var all []netip.Prefix
	for _, n := range c.FastAGIAllow {
		all = append(all, n.Prefix)
	}
	return all
}

// FastAGILocal says whether FastAGI serves this host alone.
func (c *Config) FastAGILocal() bool {
	return !slices.ContainsFunc(c.FastAGIAllow, func(n Network) bool {
		return !n.Addr().IsLoopback() || n.Addr().Is4() && n.Bits() < 8 || n.Addr().Is6() && n.Bits() < 128
	})
}
