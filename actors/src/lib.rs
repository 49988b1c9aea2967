//! The actors of actogram: api, datacenter, connection, auth key, updates, delivery, store.
