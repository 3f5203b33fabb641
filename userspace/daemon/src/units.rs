//! Where systemd has the processes of a unit, or will have them when it starts.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

/// The cgroup of a unit, from the root of the hierarchy; of one that does not run, the one that
/// its slice gives it.
pub(crate) fn unit_cgroup(unit: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new("systemctl");
    let output = command
        .args(["show", "--property=Id,ControlGroup,Slice", "--", unit])
        .output();
    let output = output.context("cannot ask systemctl for the unit's cgroup; give `cgroup`")?;
    let shown = String::from_utf8_lossy(&output.stdout);
    cgroup_in(&shown).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default();
        format!("systemctl names no cgroup and no slice of {unit} ({said}); is the unit there?")
    })
}

fn cgroup_in(shown: &str) -> Option<PathBuf> {
    let property = |key: &str| {
        let mut lines = shown.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.filter(|value| !value.is_empty())
    };
    if let Some(cgroup) = property("ControlGroup") {
        return Some(PathBuf::from(cgroup));
    }
    Some(slice_cgroup(property("Slice")?)?.join(property("Id")?))
}

/// `ci-nightly.slice` is in `ci.slice` (systemd.slice(5)); `-.slice` is the root.
fn slice_cgroup(slice: &str) -> Option<PathBuf> {
    let mut cgroup = PathBuf::from("/");
    let stem = slice.strip_suffix(".slice")?;
    if stem == "-" {
        return Some(cgroup);
    }
    let mut name = String::new();
    for part in stem.split('-') {
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(part);
        cgroup.push(format!("{name}.slice"));
    }
    Some(cgroup)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_unit_is_where_systemd_has_it_or_where_its_slice_will() {
        for (shown, cgroup) in [
            (
                "Id=agent.service\nControlGroup=/ci.slice/agent.service\nSlice=ci.slice\n",
                Some("/ci.slice/agent.service"),
            ),
            (
                "Slice=system.slice\nControlGroup=\nId=agent.service\n",
                Some("/system.slice/agent.service"),
            ),
            (
                "Id=agent@a.service\nSlice=system-agent.slice\n",
                Some("/system.slice/system-agent.slice/agent@a.service"),
            ),
            ("Id=ci.slice\nSlice=-.slice", Some("/ci.slice")),
            (
                "Id=b.service\nSlice=a-b-c.slice",
                Some("/a.slice/a-b.slice/a-b-c.slice/b.service"),
            ),
            ("Id=gone.service\nControlGroup=\nSlice=\n", None),
            ("Id=odd.service\nSlice=system\n", None),
            ("Slice=system.slice\n", None),
            ("", None),
        ] {
            assert_eq!(
                cgroup_in(shown).as_deref(),
                cgroup.map(Path::new),
                "{shown}"
            );
        }
    }
}
