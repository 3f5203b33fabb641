//! The server and the client over a socket in a temporary directory, with fake ports.

mod contract;
mod hostile;
mod ports;
mod rights;
mod service;
