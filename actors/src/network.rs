//! What counts as one source where something is limited.

use std::net::{IpAddr, Ipv6Addr};

/// The network that limits are counted by: one host is given a whole /64 in IPv6. An IPv4 address
/// written as IPv6 is the IPv4 address.
#[must_use]
pub fn network_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_host_is_an_ipv4_address_or_a_64() {
        for (source, network) in [
            ("2001:db8::1", "2001:db8::"),
            ("2001:db8::ffff:2", "2001:db8::"),
            ("2001:db8:0:1::1", "2001:db8:0:1::"),
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            let network: IpAddr = network.parse().unwrap();
            assert_eq!(network_of(source.parse().unwrap()), network, "{source}");
        }
    }
}
