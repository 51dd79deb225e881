//! Where a secret is kept, as a setting says it.

use anyhow::{bail, ensure};

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// Which of AWS's stores has it.
    pub(super) service: Service,
    /// The region, if it is told.
    pub(super) region: Option<String>,
    /// What the store knows it by.
    pub(super) id: String,
}

/// A store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// AWS Systems Manager: `SecureString` parameters.
    Parameters,
    /// AWS Secrets Manager.
    Secrets,
}

impl Service {
    /// What AWS calls it in ARNs, addresses and signatures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Parameters => "ssm",
            Self::Secrets => "secretsmanager",
        }
    }
}

impl Reference {
    /// What a setting names; none if it is the secret itself. No secret begins with a slash, or as an ARN does.
    pub(super) fn parse(text: &str) -> anyhow::Result<Option<Self>> {
        let text = text.trim();
        if text.starts_with('/') {
            return Ok(Some(Self {
                service: Service::Parameters,
                region: None,
                id: text.to_owned(),
            }));
        }
        if !text.starts_with("arn:") {
            return Ok(None);
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &[_, _, service, region, _, resource] = parts.as_slice() else {
            bail!("{text} is no whole ARN; copy it from the console, or name the parameter: /creel/…");
        };
        let service = match service {
            "ssm" if resource.starts_with("parameter/") => Service::Parameters,
            "secretsmanager" if resource.starts_with("secret:") => Service::Secrets,
            _ => {
                bail!("{text} is the ARN of something else; name a parameter, or a secret of Secrets Manager")
            }
        };
        let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !region.is_empty() && region.chars().all(is_region),
            "{text} has no region; copy the whole ARN from the console"
        );
        Ok(Some(Self {
            service,
            region: Some(region.to_owned()),
            id: text.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_no_name_of_one() {
        for secret in ["whsec_abc,whsec_def", "rk_live_123", "sb_secret_x", "", "a/b"] {
            assert_eq!(Reference::parse(secret).expect("it is fine"), None, "{secret}");
        }
    }

    #[test]
    fn names_and_arns_say_where_a_secret_is_kept() {
        let named = Reference::parse("/creel/stripe-api-key\n").expect("a name");
        let named = named.expect("a reference");
        assert_eq!((named.service, named.region), (Service::Parameters, None));
        assert_eq!(named.id, "/creel/stripe-api-key");
        for (arn, service) in [
            (
                "arn:aws:ssm:eu-central-1:123456789012:parameter/creel/stripe-api-key",
                Service::Parameters,
            ),
            (
                "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:creel/stripe-AbCdEf",
                Service::Secrets,
            ),
        ] {
            let found = Reference::parse(arn).expect("an ARN").expect("a reference");
            assert_eq!((found.service, found.id.as_str()), (service, arn));
            assert!(found.region.is_some());
        }
    }

    #[test]
    fn what_is_nearly_an_arn_is_refused() {
        for wrong in [
            "arn:aws:ssm",
            "arn:aws:s3:::bucket",
            "arn:aws:ssm::123456789012:parameter/creel/x",
            "arn:aws:ssm:evil.example/:123456789012:parameter/creel/x",
            "arn:aws:secretsmanager:eu-central-1:123456789012:rule:x",
        ] {
            assert!(Reference::parse(wrong).is_err(), "{wrong}");
        }
    }
}
