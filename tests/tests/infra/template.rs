//! What infra/template.yaml deploys.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use creel_tests::cluster::repo;
use serde_json::Value;

use crate::linted::python;
use crate::{Alarm, Function, Functions};

/// CloudFormation's YAML has tags of its own, which its linter reads.
const READ: &str = "import json, sys, cfnlint.decode as decode\n\
                    template, problems = decode.decode(sys.argv[1])\n\
                    assert not problems, problems\n\
                    print(json.dumps(template))";

/// What a role of a function may do at most.
const ACTIONS: [&str; 4] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "ssm:GetParameters",
    "kms:Decrypt",
];

/// The whole template, with tags as `{"Fn::Sub": …}`.
pub fn template() -> Value {
    let output = Command::new(python())
        .args(["-c", READ])
        .arg(repo().join("infra/template.yaml"))
        .output()
        .expect("run python3");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!(
            "infra/template.yaml: {error}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Its functions.
pub fn functions() -> Functions {
    let template = template();
    let resources = template["Resources"].as_object().expect("resources");
    let of_all = &template["Globals"]["Function"]["Environment"]["Variables"];
    let mut found = Functions::new();
    for (id, resource) in resources {
        let Some(title) = id.strip_suffix("Function") else {
            continue;
        };
        let (name, own) = (title.to_lowercase(), &resource["Properties"]);
        let variables = own["Environment"]["Variables"].as_object().expect("variables");
        let kept = format!("${{SecretsPrefix}}/{name}/");
        let names_secret = |(variable, value): &(&String, &Value)| {
            let path = value["Fn::Sub"]
                .as_str()
                .and_then(|path| path.strip_prefix(&kept));
            path.is_some_and(|path| path == variable.as_str())
        };
        let url = &resources.get(&format!("{title}Url"));
        let zip = format!("../target/functions/arm64/{name}/bootstrap.zip");
        assert_eq!(own["CodeUri"], *zip, "{name}");
        assert_eq!(own["FunctionName"]["Fn::Sub"], *format!("${{Prefix}}-{name}"));
        found.insert(
            name.clone(),
            Function {
                variables: variables
                    .keys()
                    .chain(of_all.as_object().expect("variables").keys())
                    .cloned()
                    .collect(),
                secrets: variables
                    .iter()
                    .filter(names_secret)
                    .map(|(name, _)| name.clone())
                    .collect(),
                timeout_secs: own["Timeout"].as_u64().expect("a timeout"),
                reserved_concurrency: own["ReservedConcurrentExecutions"]["Fn::If"][1]
                    .as_u64()
                    .expect("a number"),
                has_url: url.is_some(),
                each_minute: own["Events"]["EachMinute"]["Properties"]["ScheduleExpression"]
                    == "rate(1 minute)",
                alarms: alarms(resources, &name),
            },
        );
    }
    found
}

fn alarms(resources: &serde_json::Map<String, Value>, function: &str) -> BTreeMap<String, Alarm> {
    let prefix = format!("${{Prefix}}-{function}-");
    let own = resources.values().filter_map(|resource| {
        let alarm = &resource["Properties"];
        let kind = alarm["AlarmName"]["Fn::Sub"].as_str()?.strip_prefix(&prefix)?;
        let text = |name: &str| alarm[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| alarm[name].as_u64().expect("a number");
        assert!(alarm["AlarmActions"]["Fn::If"].is_array(), "{kind} tells nobody");
        let made = Alarm {
            metric: text("MetricName"),
            statistic: text("Statistic") + &text("ExtendedStatistic"),
            period_secs: number("Period"),
            periods: number("EvaluationPeriods"),
            threshold: number("Threshold"),
            comparison: text("ComparisonOperator"),
            missing: text("TreatMissingData"),
        };
        Some((kind.to_owned(), made))
    });
    own.collect()
}

#[test]
fn a_role_may_read_the_secrets_of_its_function_and_nothing_else() {
    let template = template();
    for (name, function) in functions() {
        let title = name[..1].to_uppercase() + &name[1..];
        let role = &template["Resources"][format!("{title}Role")];
        assert_eq!(
            template["Resources"][format!("{title}Function")]["Properties"]["Role"]["Fn::GetAtt"],
            serde_json::json!([format!("{title}Role"), "Arn"])
        );
        let policies = role["Properties"]["Policies"].as_array().expect("policies");
        let statements = policies.iter().flat_map(|policy| {
            let statements = policy["PolicyDocument"]["Statement"]
                .as_array()
                .expect("statements");
            statements.iter().map(|one| match one["Fn::If"].as_array() {
                Some(parts) => &parts[1],
                None => one,
            })
        });
        let mut readable = BTreeSet::new();
        for statement in statements {
            let list = |value: &Value| match value {
                Value::Array(values) => values.clone(),
                one => vec![one.clone()],
            };
            let actions = list(&statement["Action"]);
            let is_known = |action: &Value| ACTIONS.iter().any(|known| action == known);
            assert!(actions.iter().all(is_known), "{name}: {actions:?}");
            let resources = list(&statement["Resource"]);
            assert!(
                !Value::from(resources.clone()).to_string().contains('*'),
                "{name}"
            );
            if actions == ["ssm:GetParameters"] {
                let paths = resources.iter().filter_map(|one| one["Fn::Sub"].as_str());
                readable.extend(paths.map(str::to_owned));
            }
        }
        let arn = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${SecretsPrefix}";
        let own = function
            .secrets
            .iter()
            .map(|secret| format!("{arn}/{name}/{secret}"));
        assert_eq!(readable, own.collect(), "{name}");
    }
}

#[test]
fn a_url_has_both_permissions_and_says_where_it_is() {
    let template = template();
    for (name, function) in functions() {
        let title = name[..1].to_uppercase() + &name[1..];
        let permissions = template["Resources"]
            .as_object()
            .expect("resources")
            .values()
            .filter(|one| one["Type"] == "AWS::Lambda::Permission")
            .filter(|one| one["Properties"]["FunctionName"]["Fn::GetAtt"][0] == *format!("{title}Function"));
        let permissions: Vec<&Value> = permissions.map(|one| &one["Properties"]).collect();
        let name_of = serde_json::json!({ "Fn::GetAtt": [format!("{title}Function"), "Arn"] });
        let url = serde_json::json!({
            "FunctionName": name_of, "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
            "FunctionUrlAuthType": "NONE",
        });
        // Without its condition it would let everybody send the clock's event.
        let invoke = serde_json::json!({
            "FunctionName": name_of, "Action": "lambda:InvokeFunction", "Principal": "*",
            "InvokedViaFunctionUrl": true,
        });
        let expected = if function.has_url {
            vec![&invoke, &url]
        } else {
            Vec::new()
        };
        assert_eq!(permissions, expected, "{name}");
        let told = &template["Outputs"][format!("{title}Url")];
        assert_eq!(told.is_object(), function.has_url, "{name}");
    }
}

#[test]
fn a_deployment_that_failed_can_be_made_again() {
    let template = template();
    let resources = template["Resources"].as_object().expect("resources");
    let groups = resources
        .values()
        .filter(|one| one["Type"] == "AWS::Logs::LogGroup");
    let kept: Vec<(&Value, &Value)> = groups
        .map(|group| (&group["DeletionPolicy"], &group["UpdateReplacePolicy"]))
        .collect();
    assert_eq!(kept.len(), functions().len());
    for kept in kept {
        assert_eq!(kept, (&"RetainExceptOnCreate".into(), &"Retain".into()));
    }
}
