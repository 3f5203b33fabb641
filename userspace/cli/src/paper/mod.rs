//! What is written for people: plain text, colours, tables, units.

mod out;
mod paint;
mod plain;
mod table;
mod units;

pub(crate) use out::{Gone, eprint, print, print_json};
pub(crate) use paint::{Paint, look};
pub(crate) use plain::{one_line, shortened};
pub(crate) use table::{Cell, Table};
pub(crate) use units::{bytes, clock, count, date_time, duration, short_id};
