//! The published linters find nothing in infra/.

use std::path::PathBuf;
use std::process::Command;

use creel_tests::cluster::repo;

/// The Python that has CloudFormation's linter.
pub fn python() -> PathBuf {
    let python = repo().join(".creel/cfn-lint/bin/python3");
    assert!(
        python.exists(),
        "cfn-lint is installed: run `python3 -m venv .creel/cfn-lint`, and \
         `.creel/cfn-lint/bin/pip install cfn-lint==1.58.0 botocore==1.44.5`"
    );
    python
}

#[test]
fn cfn_lint_finds_nothing() {
    let output = Command::new(python())
        .args(["-c", "import cfnlint.runner; cfnlint.runner.main()"])
        .arg("--include-checks=I")
        .arg(repo().join("infra/template.yaml"))
        .output()
        .expect("run cfn-lint");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}{complained}");
}

/// Its own format, where it is installed: no registry that Creel's tools come from has it.
#[test]
fn terraform_would_write_the_module_as_it_is() {
    let format = |program: &str| {
        Command::new(program)
            .args(["fmt", "-check", "-diff", "-recursive"])
            .arg(repo().join("infra/terraform"))
            .env("CHECKPOINT_DISABLE", "1")
            .output()
    };
    let Some(output) = ["terraform", "tofu"]
        .into_iter()
        .find_map(|name| format(name).ok())
    else {
        println!(
            "neither terraform nor tofu is installed: the module was parsed, and its format not looked at"
        );
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
}
