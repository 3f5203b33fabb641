use serde_json::{Value, json};

use super::purity::{impure, native_libraries};
use super::*;

/// A workspace of these crates; a use is (who, whom, kind).
fn workspace(crates: &[&str], uses: &[(&str, &str, Option<&str>)]) -> Workspace {
    let folder = |name: &str| match name {
        "sluice-e2e" => "tests/e2e".to_owned(),
        other => format!("userspace/{other}"),
    };
    let packages: Vec<Value> = crates
        .iter()
        .map(|name| {
            json!({
                "id": name, "name": name, "version": "0.1.0", "source": null,
                "manifest_path": format!("/clone/{}/Cargo.toml", folder(name)),
                "links": name.ends_with("-sys").then_some("z"),
            })
        })
        .collect();
    let members: Vec<_> = crates
        .iter()
        .filter(|name| !name.starts_with("other"))
        .collect();
    let nodes: Vec<Value> = crates
        .iter()
        .map(|name| {
            let deps = uses.iter().filter(|(who, _, _)| who == name);
            let deps: Vec<_> = deps
                .map(|(_, whom, kind)| json!({"pkg": whom, "dep_kinds": [{"kind": kind}]}))
                .collect();
            json!({"id": name, "deps": deps})
        })
        .collect();
    let text = json!({
        "packages": packages, "workspace_members": members, "resolve": {"nodes": nodes},
    });
    serde_json::from_value(text).unwrap()
}

fn wrong(crates: &[&str], uses: &[(&str, &str, Option<&str>)]) -> Vec<String> {
    directions(&workspace(crates, uses)).unwrap()
}

#[test]
fn the_table_is_ordered_bottom_up_so_that_it_has_no_cycle() {
    for (index, layer) in LAYERS.iter().enumerate() {
        for used in layer.may_use {
            assert!(
                LAYERS[..index].iter().any(|below| below.name == *used),
                "{used}"
            );
        }
    }
}

#[test]
fn four_crates_meet_only_in_the_daemon() {
    let apart = [
        "sluice-capture",
        "sluice-store",
        "sluice-api",
        "sluice-proxy",
    ];
    for layer in LAYERS.iter().filter(|layer| layer.name != "sluice-daemon") {
        let seen = layer
            .may_use
            .iter()
            .filter(|used| apart.contains(used))
            .count();
        assert_eq!(seen, 0, "{}", layer.name);
    }
}

#[test]
fn the_right_direction_passes() {
    let crates = ["sluice-masking", "sluice-flow", "sluice-proxy", "other"];
    let uses = [
        ("sluice-flow", "sluice-masking", None),
        ("sluice-proxy", "sluice-flow", None),
        ("sluice-masking", "other", None),
    ];
    assert_eq!(wrong(&crates, &uses), Vec::<String>::new());
}

#[test]
fn the_wrong_direction_is_named_with_its_chain() {
    let crates = ["sluice-masking", "sluice-flow"];
    let found = wrong(&crates, &[("sluice-masking", "sluice-flow", None)]);
    assert_eq!(
        found,
        ["sluice-masking may not use sluice-flow: sluice-masking -> sluice-flow"]
    );
}

#[test]
fn a_use_through_a_stranger_counts() {
    let crates = ["sluice-store", "sluice-capture", "other"];
    let uses = [
        ("sluice-store", "other", None),
        ("other", "sluice-capture", None),
    ];
    let found = wrong(&crates, &uses);
    assert_eq!(
        found,
        ["sluice-store may not use sluice-capture: sluice-store -> other -> sluice-capture"]
    );
}

#[test]
fn build_uses_count_and_test_uses_do_not() {
    let crates = ["sluice-store", "sluice-capture"];
    let uses = |kind| [("sluice-store", "sluice-capture", Some(kind))];
    assert_eq!(wrong(&crates, &uses("build")).len(), 1);
    assert_eq!(wrong(&crates, &uses("dev")).len(), 0);
}

#[test]
fn a_crate_without_a_row_is_wrong() {
    let found = wrong(&["sluice-novel"], &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("sluice-novel has no row"), "{found:?}");
}

#[test]
fn tests_and_xtask_are_free() {
    let crates = ["sluice-e2e", "xtask", "sluice-proxy"];
    let uses = [
        ("sluice-e2e", "sluice-proxy", None),
        ("xtask", "sluice-proxy", None),
    ];
    assert_eq!(wrong(&crates, &uses), Vec::<String>::new());
}

#[test]
fn nothing_of_the_product_uses_the_tests() {
    let crates = ["sluice-store", "sluice-e2e"];
    assert_eq!(
        wrong(&crates, &[("sluice-store", "sluice-e2e", None)]).len(),
        1
    );
}

#[test]
fn the_binary_uses_the_proxy_through_the_daemon_only() {
    let crates = ["sluice", "sluice-daemon", "sluice-proxy"];
    let through = [
        ("sluice", "sluice-daemon", None),
        ("sluice-daemon", "sluice-proxy", None),
    ];
    assert_eq!(wrong(&crates, &through), Vec::<String>::new());
    let found = wrong(&crates, &[("sluice", "sluice-proxy", None)]);
    assert_eq!(found, ["sluice may not use sluice-proxy directly"]);
}

#[test]
fn a_pure_crate_may_have_tokios_traits() {
    let tree = "sluice-protocols v0.1.0 (/clone)|\ntokio v1.50.0|bytes,io-util\nlibc v0.2.1|std\n";
    assert_eq!(impure("sluice-protocols", tree), Vec::<String>::new());
}

#[test]
fn a_pure_crate_may_not_open_sockets() {
    let tree = "tokio v1.50.0|io-util,net\ntokio v1.50.0|io-util,net (*)\nsocket2 v0.6.0|all\n";
    let found = impure("sluice-flow", tree);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("socket2"));
    assert!(found[1].contains("`net`"));
}

#[test]
fn native_libraries_are_listed() {
    let listed = native_libraries(&workspace(&["sluice-store", "other-sys"], &[]));
    assert_eq!(listed, ["other-sys 0.1.0 (z)"]);
}
