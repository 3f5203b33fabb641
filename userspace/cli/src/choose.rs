//! Ids as people type them: whole, or enough of the start or of the end.

use uuid::Uuid;

use crate::failure::hinted;

/// Fewer characters name too much by accident.
const SHORTEST: usize = 4;

/// What an id on the command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// This one.
    Whole(Uuid),
    /// The one that starts or ends so.
    Part(String),
    /// The newest.
    Last,
}

impl Wanted {
    /// # Errors
    /// When it cannot be an id.
    pub(crate) fn of(text: &str) -> anyhow::Result<Self> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Whole(id));
        }
        if text == "last" {
            return Ok(Self::Last);
        }
        let is_part = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !is_part || text.len() < SHORTEST {
            let error = format!("`{text}` is no id");
            return Err(hinted(
                error,
                "give an id as it is printed, or its first or last characters (4 at least)",
            ));
        }
        Ok(Self::Part(text.to_ascii_lowercase()))
    }

    /// The one among `ids`, oldest first; `what` is what they name.
    ///
    /// # Errors
    /// When none or several are meant.
    pub(crate) fn among(
        &self,
        what: &str,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> anyhow::Result<Uuid> {
        let part = match self {
            Self::Whole(id) => return Ok(*id),
            Self::Last => {
                let last = ids.into_iter().last();
                return last.ok_or_else(|| anyhow::anyhow!("there is no {what} yet"));
            }
            Self::Part(part) => part,
        };
        let meant = |id: &Uuid| {
            let (text, simple) = (id.to_string(), id.simple().to_string());
            [text, simple]
                .iter()
                .any(|text| text.starts_with(part) || text.ends_with(part))
        };
        let found: Vec<Uuid> = ids.into_iter().filter(meant).collect();
        match found.as_slice() {
            [] => Err(anyhow::anyhow!("there is no {what} `{part}`")),
            [id] => Ok(*id),
            several => {
                let some = several.iter().take(5).map(ToString::to_string);
                let some = some.collect::<Vec<_>>().join(", ");
                let error = format!("`{part}` names {} of them", several.len());
                Err(hinted(error, format!("give more of the id: {some}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0193a6b2-7c1e-7d3f-8a4b-9f86d0818840";
    const B: &str = "0193a6b2-7c1e-7d3f-8a4b-9f86d0810000";

    fn choose(text: &str) -> anyhow::Result<Uuid> {
        let ids = [A, B].map(|id| id.parse().unwrap());
        Wanted::of(text)?.among("session", ids)
    }

    #[test]
    fn start_end_whole_and_last() {
        for (text, want) in [
            (A, A),
            ("9f86d0818840", A),
            ("8840", A),
            ("0000", B),
            ("9F86D0810000", B),
            ("0193a6b27c1e7d3f8a4b9f86d0810000", B),
            ("0193a6b2-7c1e-7d3f-8a4b-9f86d081884", A),
            ("last", B),
        ] {
            assert_eq!(choose(text).unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn what_names_none_or_several_is_an_error() {
        for (text, says) in [
            ("840", "is no id"),
            ("", "is no id"),
            ("psql", "is no id"),
            ("--json", "is no id"),
            ("ffff", "there is no session"),
            ("0193a6b2", "names 2"),
        ] {
            let error = choose(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let none = Wanted::Last.among("session", []).unwrap_err();
        assert_eq!(none.to_string(), "there is no session yet");
    }

    #[test]
    fn a_whole_id_needs_no_list() {
        let id: Uuid = A.parse().unwrap();
        assert_eq!(Wanted::of(A).unwrap().among("session", []).unwrap(), id);
    }
}
