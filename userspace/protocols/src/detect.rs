//! Which protocol a flow speaks, by the first bytes of its client.
