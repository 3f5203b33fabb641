//! The approvals desk as people reach it: groups of `sluice.toml` count beside those of the
//! group database.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_flow::ports::{AnswerError, ApprovalDesk, Held, Person};
use sluice_flow::session::ApprovalId;
use sluice_proxy::Desk;

use crate::control::Gatehouse;

pub(crate) struct PeopleDesk {
    desk: Arc<Desk>,
    groups: BTreeMap<String, Vec<String>>,
}

impl PeopleDesk {
    pub(crate) fn of(gatehouse: &Gatehouse) -> Self {
        Self {
            desk: Arc::clone(&gatehouse.proxy().desk),
            groups: gatehouse.config().groups.clone(),
        }
    }
}

impl ApprovalDesk for PeopleDesk {
    fn held(&self) -> Vec<Held> {
        self.desk.held()
    }

    fn groups_of(&self, person: &Person) -> Vec<String> {
        let of_config = self
            .groups
            .iter()
            .filter(|(_, users)| users.contains(&person.name));
        let mut groups = person.groups.clone();
        groups.extend(of_config.map(|(group, _)| group.clone()));
        groups
    }

    fn answer(
        &self,
        id: ApprovalId,
        person: &Person,
        agree: bool,
        reason: Option<&str>,
    ) -> Result<u32, AnswerError> {
        let groups = self.groups_of(person);
        self.desk.answer(
            id,
            &Person {
                groups,
                ..person.clone()
            },
            agree,
            reason,
        )
    }
}
