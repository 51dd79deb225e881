//! Which of the places that may name the database is believed.

use std::path::PathBuf;

use creel_core::secret::Secret;

use super::origins::Origin;
use super::{ConfigError, WorkerArgs, absolute};

/// Where the database's URL is.
#[derive(Debug)]
pub(super) enum UrlSource {
    /// Here.
    Text(Secret),
    /// In a file of its own.
    File(PathBuf),
}

/// What is believed.
pub(super) struct Chosen {
    pub(super) url: UrlSource,
    /// The certificate that goes with it.
    pub(super) ca_file: Option<PathBuf>,
}

/// A flag goes before the environment, that before the file; but a file that a flag names goes before what
/// only happens to be in the environment.
pub(super) fn plan_url(
    given: &WorkerArgs,
    file: &WorkerArgs,
    warnings: &mut Vec<String>,
) -> Result<Option<Chosen>, ConfigError> {
    let flag = source_of(given, Some(Origin::Flag))?;
    let environment = source_of(given, Some(Origin::Environment))?;
    let in_file = source_of(file, None)?;
    let given_ca = given.database_ca_file.clone();
    let usual_ca = given_ca.clone().or_else(|| file.database_ca_file.clone());
    let named_by_flag = given.config.is_some() && given.origins.config == Origin::Flag;
    let (url, ca_file) = match (flag, environment, in_file) {
        (Some(url), _, _) => (url, usual_ca),
        (None, Some(_), Some(url)) if named_by_flag => {
            warnings.push(
                "the environment names a database too (DATABASE_URL or CREEL_DATABASE_URL_FILE); the one in \
                 the file of --config is used: unset the variable, or give --database-url-file if it is \
                 the right one"
                    .to_owned(),
            );
            let ca_is_flag = given.origins.database_ca_file == Origin::Flag;
            let ca_file = given_ca.filter(|_| ca_is_flag);
            // The environment's certificate is that of the environment's database.
            (url, ca_file.or_else(|| file.database_ca_file.clone()))
        }
        (None, Some(url), _) | (None, None, Some(url)) => (url, usual_ca),
        (None, None, None) => return Ok(None),
    };
    Ok(Some(Chosen { url, ca_file }))
}

/// The one source among those of this origin; of all if it is none.
fn source_of(args: &WorkerArgs, origin: Option<Origin>) -> Result<Option<UrlSource>, ConfigError> {
    let is_meant = |of: Origin| origin.is_none_or(|origin| origin == of);
    let url = args
        .database_url
        .as_ref()
        .filter(|_| is_meant(args.origins.database_url));
    let file = args
        .database_url_file
        .as_ref()
        .filter(|_| is_meant(args.origins.database_url_file));
    match (url, file) {
        (Some(_), Some(_)) => Err(ConfigError::Value {
            key: "database_url",
            message: match origin {
                Some(Origin::Flag) => "--database-url and --database-url-file are both given; keep one",
                Some(Origin::Environment) => {
                    "DATABASE_URL and CREEL_DATABASE_URL_FILE are both in the environment; unset one"
                }
                None => "database_url and database_url_file are both in the file; keep one",
            }
            .to_owned(),
        }),
        (Some(url), None) => Ok(Some(UrlSource::Text(url.clone()))),
        (None, Some(path)) => Ok(Some(UrlSource::File(absolute("database_url_file", path)?))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: &str = "postgresql://flag@127.0.0.1/db";
    const ENVIRONMENT: &str = "postgresql://environment@127.0.0.1/db";
    const FILE: &str = "postgresql://file@127.0.0.1/db";

    /// What the environment and the flags give: `(name of the setting, its value, who gave it)`.
    fn given(settings: &[(&str, &str, Origin)]) -> WorkerArgs {
        let mut args = WorkerArgs::default();
        for (name, value, origin) in settings {
            match *name {
                "config" => (args.config, args.origins.config) = (Some(value.into()), *origin),
                "url" => {
                    (args.database_url, args.origins.database_url) = (Some(Secret::new(*value)), *origin);
                }
                "url_file" => {
                    (args.database_url_file, args.origins.database_url_file) = (Some(value.into()), *origin);
                }
                other => panic!("no setting {other}"),
            }
        }
        args
    }

    fn chosen(given: &WorkerArgs) -> (String, usize) {
        let file = WorkerArgs {
            database_url: Some(Secret::new(FILE)),
            ..WorkerArgs::default()
        };
        let mut warnings = Vec::new();
        let chosen = plan_url(given, &file, &mut warnings)
            .expect("a plan")
            .expect("a URL");
        let url = match chosen.url {
            UrlSource::Text(url) => url.expose().to_owned(),
            UrlSource::File(path) => path.to_string_lossy().into_owned(),
        };
        (url, warnings.len())
    }

    #[test]
    fn a_flag_and_a_file_that_a_flag_names_go_before_the_environment() {
        use Origin::{Environment, Flag};
        let in_environment = ("url", ENVIRONMENT, Environment);
        for (settings, expected) in [
            (vec![in_environment], (ENVIRONMENT, 0)),
            (vec![in_environment, ("url_file", "/url", Flag)], ("/url", 0)),
            (
                vec![in_environment, ("config", "/c", Environment)],
                (ENVIRONMENT, 0),
            ),
            (vec![in_environment, ("config", "/c", Flag)], (FILE, 1)),
            (vec![("url", FLAG, Flag), ("config", "/c", Flag)], (FLAG, 0)),
            (
                vec![("url", FLAG, Flag), ("url_file", "/url", Environment)],
                (FLAG, 0),
            ),
            (vec![("config", "/c", Flag)], (FILE, 0)),
        ] {
            let (url, warning_count) = chosen(&given(&settings));
            assert_eq!((url.as_str(), warning_count), expected, "{settings:?}");
        }
    }

    #[test]
    fn two_in_one_place_are_refused_with_the_name_of_the_place() {
        for (origin, expected) in [
            (Origin::Flag, "--database-url"),
            (Origin::Environment, "in the environment"),
        ] {
            let args = given(&[("url", FLAG, origin), ("url_file", "/url", origin)]);
            let said = source_of(&args, Some(origin)).expect_err("refused").to_string();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn who_gave_a_setting_is_read_from_the_command_line() {
        #[derive(clap::Parser)]
        struct Whole {
            #[command(flatten)]
            args: WorkerArgs,
        }
        let line = ["creel", "--config", "/c", "--database-url", FLAG];
        let whole = <Whole as clap::Parser>::try_parse_from(line).expect("a command line");
        assert_eq!(whole.args.origins.config, Origin::Flag);
        assert_eq!(whole.args.config.as_deref(), Some(std::path::Path::new("/c")));
        assert_eq!(whole.args.database_url.as_ref().map(Secret::expose), Some(FLAG));
    }
}
