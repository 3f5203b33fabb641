//! What an SQL statement does.
