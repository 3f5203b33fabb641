//! Masks that can hide nothing.

use crate::diagnostic::Span;
use crate::lint::{Findings, Lint};
use crate::rule::{Mask, Mode};
use crate::what::Kind;

impl Findings<'_> {
    pub(super) fn mask(&mut self, mask: &Mask) {
        let place = (mask.rule.name.as_str(), mask.span);
        let what = &mask.case.what;
        let (http, postgres) = (what.can_be(Kind::Http), what.can_be(Kind::Postgres));
        let texts = !mask.rule.detect.is_empty() || !mask.rule.json_keys.is_empty();
        let message = if self.policy.mode == Mode::Shadow {
            "a policy in shadow mode masks nothing: bytes pass unchanged"
        } else if !http && !postgres {
            "only answers of http and postgres are masked"
        } else if !postgres && !texts {
            "columns are masked in answers of postgres only"
        } else {
            return self.mask_stops_opaque(mask, place);
        };
        let fix = "change `what` or `mode`, or leave the mask out";
        self.note(Lint::MaskCannotFire, place, message, fix);
    }
    /// A mask of everything, beside a rule that opens what cannot be masked.
    fn mask_stops_opaque(&mut self, mask: &Mask, place: (&str, Span)) {
        let what = &mask.case.what;
        let anywhere = what.host.is_empty() && what.cidr.is_empty() && what.port.is_empty();
        if !mask.is_about_opaque() || !anywhere {
            return;
        }
        if let Some(opener) = self.opens_opaque() {
            let message = format!(
                "it also stops the streams that `{}` allows: what is in them cannot be masked",
                opener.name
            );
            let fix = "add `protocol: [http, postgres]`, or a `host`, to this mask";
            self.note(Lint::StopsOpaque, place, message, fix);
        }
    }
}
