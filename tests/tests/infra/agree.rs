//! Programs, template and module name the same things.

use std::collections::BTreeSet;

use crate::{module, programs, template};

#[test]
fn template_and_module_deploy_the_same() {
    assert_eq!(template::functions(), module::functions());
}

#[test]
fn each_program_is_deployed_with_the_variables_that_it_reads() {
    let (programs, deployed) = (programs::programs(), template::functions());
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        names(programs.keys().collect()),
        names(deployed.keys().collect()),
        "functions/src/bin, and infra/"
    );
    for (name, program) in programs {
        let deployed = &deployed[&name];
        assert_eq!(program.variables, deployed.variables, "{name}");
        assert_eq!(
            program.secrets, deployed.secrets,
            "{name}: what is a secret is only named"
        );
    }
}

#[test]
fn whoever_is_called_is_watched() {
    for (name, function) in template::functions() {
        let mut expected = BTreeSet::from(["errors", "throttles", "slow"]);
        expected.extend(function.has_url.then_some("failing"));
        expected.extend(function.each_minute.then_some("silent"));
        let alarms: BTreeSet<&str> = function.alarms.keys().map(String::as_str).collect();
        assert!(alarms.is_superset(&expected), "{name}: {alarms:?}");
    }
}
