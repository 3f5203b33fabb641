//! Ways round the gate: see `tests/`.
