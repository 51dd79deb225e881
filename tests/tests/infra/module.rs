//! What infra/terraform deploys.

use std::collections::{BTreeMap, BTreeSet};

use creel_tests::cluster::repo;
use serde_json::Value;

use crate::{Alarm, Function, Functions};

/// A file of the module; expressions that are more than a value are texts in `${…}`.
fn file(name: &str) -> Value {
    let path = repo().join("infra/terraform").join(name);
    let text = std::fs::read_to_string(&path).expect("read the module");
    hcl::from_str(&text).unwrap_or_else(|error| panic!("{name} is no HCL: {error}"))
}

/// Its functions.
pub fn functions() -> Functions {
    let locals = file("functions.tf")["locals"].take();
    let alarms = file("alarms.tf");
    let found = locals["functions"].as_object().expect("functions").iter();
    let found = found.map(|(name, own)| {
        let number = |field: &str| own[field].as_u64().expect("a number");
        let is = |field: &str| own[field].as_bool().expect("a truth");
        // Each is named by the local that has it.
        let named = own["environment"].to_string();
        let shared = ["publishable", "page"].into_iter();
        let shared = shared.filter(|local| named.contains(&format!("local.{local}")));
        let shared = shared.flat_map(|local| locals[local].as_object().expect("variables").keys().cloned());
        let secrets: BTreeSet<String> = own["secrets"]
            .as_array()
            .expect("secrets")
            .iter()
            .filter_map(|secret| secret.as_str().map(str::to_owned))
            .collect();
        let function = Function {
            variables: shared
                .chain(secrets.iter().cloned())
                .chain(["SUPABASE_URL".to_owned()])
                .collect(),
            secrets,
            timeout_secs: number("timeout"),
            reserved_concurrency: number("reserved_concurrency"),
            has_url: is("has_url"),
            each_minute: is("each_minute"),
            alarms: alarms_of(&alarms, name, own),
        };
        (name.clone(), function)
    });
    found.collect()
}

fn alarms_of(file: &Value, function: &str, own: &Value) -> BTreeMap<String, Alarm> {
    let locals = &file["locals"];
    let groups = [
        ("alarms_of_all", true),
        ("alarms_of_urls", own["has_url"] == true),
        (
            "alarms_of_clocks",
            own["each_minute"] == true && function != "stripe",
        ),
        ("alarms_of_stripe", function == "stripe"),
    ];
    let period_secs = file["resource"]["aws_cloudwatch_metric_alarm"]["this"]["period"].as_u64();
    let mut alarms = BTreeMap::new();
    for (group, _) in groups.into_iter().filter(|(_, has)| *has) {
        for (kind, alarm) in locals[group].as_object().expect("alarms") {
            let threshold = alarm["threshold"].as_u64().or(own["slow_ms"].as_u64());
            let period_secs = alarm["period"].as_u64().or(period_secs);
            let made = Alarm {
                metric: text(locals, &alarm["metric"]),
                statistic: text(locals, &alarm["statistic"]),
                period_secs: period_secs.expect("a number"),
                periods: alarm["periods"].as_u64().expect("a number"),
                threshold: threshold.expect("a number"),
                comparison: text(locals, &alarm["comparison"]),
                missing: text(locals, &alarm["missing"]),
            };
            alarms.insert(kind.clone(), made);
        }
    }
    alarms
}

/// A text, or the local that stands for one.
fn text(locals: &Value, value: &Value) -> String {
    let text = value.as_str().expect("a text");
    let local = text
        .strip_prefix("${local.")
        .and_then(|rest| rest.strip_suffix('}'));
    let told = local.map_or(Some(text), |name| locals[name].as_str());
    told.expect("a local that is a text").to_owned()
}

#[test]
fn every_file_of_the_module_is_hcl() {
    let folder = std::fs::read_dir(repo().join("infra/terraform")).expect("list the module");
    let mut seen_count = 0;
    for entry in folder {
        let path = entry.expect("list the module").path();
        if path.extension().is_some_and(|extension| extension == "tf") {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(file(&name).is_object(), "{name}");
            seen_count += 1;
        }
    }
    assert!(seen_count > 4);
}

#[test]
fn a_role_of_the_module_may_do_what_one_of_the_template_may() {
    let roles = file("roles.tf");
    let documents = roles["data"]["aws_iam_policy_document"]
        .as_object()
        .expect("documents");
    let mut actions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, document) in documents {
        collect_actions(document, actions.entry(name.as_str()).or_default());
    }
    let of = |name: &str| Vec::from_iter(actions.get(name).cloned().unwrap_or_default());
    assert_eq!(of("log"), ["logs:CreateLogStream", "logs:PutLogEvents"]);
    assert_eq!(of("secrets"), ["kms:Decrypt", "ssm:GetParameters"]);
    assert_eq!(of("clock"), ["lambda:InvokeFunction"]);
    assert_eq!(of("assume"), ["sts:AssumeRole"]);
    let readable = &documents["secrets"]["statement"]["resources"];
    assert_eq!(
        *readable,
        "${[for variable in each.value.secrets : \"${local.parameters}/${each.key}/${variable}\"]}"
    );
}

#[test]
fn a_function_of_the_module_is_invoked_by_its_url_and_its_clock_alone() {
    let file = file("functions.tf");
    let permissions = file["resource"]["aws_lambda_permission"].clone();
    let of_each = "${local.with_url}";
    let name = "${aws_lambda_function.this[each.key].function_name}";
    assert_eq!(
        permissions,
        serde_json::json!({
            "url": {
                "for_each": of_each, "function_name": name, "principal": "*",
                "action": "lambda:InvokeFunctionUrl", "function_url_auth_type": "NONE",
            },
            "invoke": {
                "for_each": of_each, "function_name": name, "principal": "*",
                "action": "lambda:InvokeFunction", "invoked_via_function_url": true,
            },
        }),
        "without its condition the second lets everybody send the clock's event"
    );
}

#[test]
fn the_provider_knows_every_argument_of_the_module() {
    let wished = file("versions.tf")["terraform"]["required_providers"]["aws"]["version"].take();
    // hashicorp/aws has invoked_via_function_url since this version.
    assert_eq!(wished, ">= 6.29");
}

fn collect_actions(value: &Value, found: &mut BTreeSet<String>) {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Array(values) => return values.iter().for_each(|one| collect_actions(one, found)),
        _ => return,
    };
    let own = fields
        .get("actions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    found.extend(own.filter_map(Value::as_str).map(str::to_owned));
    for inner in fields
        .values()
        .filter(|inner| inner.is_object() || inner.is_array())
    {
        collect_actions(inner, found);
    }
}
