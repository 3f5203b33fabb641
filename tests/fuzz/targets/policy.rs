//! A policy is taken whole or refused with places that exist; what is taken is strict.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_policy::limits::MAX_ERRORS;
use sluice_policy::{Layer, PolicyErrors, PolicySet, Source};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match load(text) {
        Ok(set) => {
            assert_eq!(set.names().len(), 1);
            let extra = load(&format!("{text}\nno-such-key: 1\n"));
            assert!(extra.is_err(), "an unknown key is taken");
        }
        Err(errors) => has_places(text, &errors),
    }
});

fn load(text: &str) -> Result<PolicySet, PolicyErrors> {
    let (layer, file) = (Layer::Repository, "policy.yaml".to_owned());
    PolicySet::load(vec![Source {
        layer,
        file,
        text: text.to_owned(),
    }])
}

/// An editor can go to each place, and a person can read each error.
fn has_places(text: &str, errors: &PolicyErrors) {
    assert!(!errors.errors.is_empty() && errors.errors.len() <= MAX_ERRORS);
    // YAML 1.2.2, 5.4: a carriage return alone breaks a line, too.
    let lines = text.matches(['\n', '\r']).count() + 1;
    for error in &errors.errors {
        assert!(!error.message.is_empty());
        assert!((1..=lines).contains(&error.span.line), "{error:?}");
        assert!(error.span.column >= 1, "{error:?}");
    }
    assert!(!errors.to_string().is_empty());
}
