//! MTProto 2.0 without IO: transports, key exchange and encrypted sessions, for clients and servers.
