//! Truth with three values (Kleene): what cannot be known is unknown.

use std::fmt;

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It does not hold.
    False,
    /// It cannot be known whether it holds.
    Unknown,
    /// It holds.
    True,
}

impl Truth {
    /// Both: the weaker of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Either: the stronger of the two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// The opposite; what is unknown stays unknown.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }

    /// Whether any of several holds; false of none.
    pub(crate) fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut strongest = Self::False;
        for truth in truths {
            if truth == Self::True {
                return Self::True;
            }
            strongest = strongest.or(truth);
        }
        strongest
    }

    /// Whether all of several hold; true of none.
    pub(crate) fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut weakest = Self::True;
        for truth in truths {
            if truth == Self::False {
                return Self::False;
            }
            weakest = weakest.and(truth);
        }
        weakest
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::False => "no",
            Self::Unknown => "unknown",
            Self::True => "yes",
        })
    }
}

/// Which way a rule errs. What opens a door must hold for everything that an operation
/// touches; what closes one holds as soon as anything is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// An allow rule, or what `unless` takes out of a deny rule.
    Opens,
    /// A deny or approve rule, a mask, or what `unless` takes out of an allow rule.
    Closes,
}

impl Side {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Opens => Self::Closes,
            Self::Closes => Self::Opens,
        }
    }
}

/// One key of a rule and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTruth {
    /// The key with its block: `who.exe`, `what.http.path`, `unless.what.host`.
    pub key: String,
    /// Whether it matched.
    pub truth: Truth,
    /// Why that cannot be known, where there is more to say than the key does.
    pub why: Option<String>,
}

impl fmt::Display for KeyTruth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.truth)?;
        match &self.why {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

/// Joins the keys of a block, all of which must hold. Stops looking once one does not,
/// unless somebody wants to know of each.
#[derive(Debug)]
pub(crate) struct AllOf<'n> {
    truth: Truth,
    prefix: &'static str,
    notes: Option<&'n mut Vec<KeyTruth>>,
}

impl<'n> AllOf<'n> {
    pub(crate) fn quick() -> Self {
        Self {
            truth: Truth::True,
            prefix: "",
            notes: None,
        }
    }

    pub(crate) fn noting(prefix: &'static str, notes: &'n mut Vec<KeyTruth>) -> Self {
        Self {
            truth: Truth::True,
            prefix,
            notes: Some(notes),
        }
    }

    pub(crate) fn key(&mut self, name: &str, look: impl FnOnce() -> Truth) {
        self.key_because(name, look, || None);
    }

    /// The same for a key of which can be said why it is unknown.
    pub(crate) fn key_because(
        &mut self,
        name: &str,
        look: impl FnOnce() -> Truth,
        why: impl FnOnce() -> Option<String>,
    ) {
        if self.notes.is_none() && self.truth == Truth::False {
            return;
        }
        let truth = look();
        self.truth = self.truth.and(truth);
        if let Some(notes) = &mut self.notes {
            notes.push(KeyTruth {
                key: format!("{}{name}", self.prefix),
                truth,
                why: (truth == Truth::Unknown).then(why).flatten(),
            });
        }
    }

    pub(crate) fn truth(&self) -> Truth {
        self.truth
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{self, False, True, Unknown};

    #[test]
    fn kleene_and() {
        for (a, b, both) in [
            (False, False, False),
            (False, Unknown, False),
            (False, True, False),
            (Unknown, Unknown, Unknown),
            (Unknown, True, Unknown),
            (True, True, True),
        ] {
            assert_eq!((a.and(b), b.and(a)), (both, both), "{a} and {b}");
        }
    }

    #[test]
    fn kleene_or() {
        for (a, b, either) in [
            (False, False, False),
            (False, Unknown, Unknown),
            (False, True, True),
            (Unknown, Unknown, Unknown),
            (Unknown, True, True),
            (True, True, True),
        ] {
            assert_eq!((a.or(b), b.or(a)), (either, either), "{a} or {b}");
        }
    }

    #[test]
    fn kleene_not() {
        for (a, not) in [(False, True), (Unknown, Unknown), (True, False)] {
            assert_eq!(a.negated(), not);
        }
    }

    #[test]
    fn several() {
        for (truths, any, all) in [
            (&[][..], False, True),
            (&[Unknown], Unknown, Unknown),
            (&[False, Unknown], Unknown, False),
            (&[True, Unknown], True, Unknown),
            (&[True, False], True, False),
            (&[True, True], True, True),
        ] {
            assert_eq!(Truth::any(truths.iter().copied()), any, "{truths:?}");
            assert_eq!(Truth::all(truths.iter().copied()), all, "{truths:?}");
        }
    }
}
