//! A strict MTProto datacenter for one machine: accounts, chats, updates, and faults on demand.
