//! HTTP/1.1 in clear (RFC 9110, RFC 9112).
