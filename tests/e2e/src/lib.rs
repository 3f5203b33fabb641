//! Real clients and real servers, direct and through the gate: see `tests/`.
