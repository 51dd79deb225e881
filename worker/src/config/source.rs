//! Which of the places that may name the database is believed.

use std::path::PathBuf;

use creel_core::secret::Secret;

use super::origins::Origin;
use super::{ConfigError, WorkerArgs, absolute};

/// What the worker speaks to.
#[derive(Debug)]
pub(super) enum Source {
    /// A database.
    Database(DatabaseUrl),
    /// The Data API of a project, at this URL.
    DataApi(String),
}

/// Where the database's URL is.
#[derive(Debug)]
pub(super) enum DatabaseUrl {
    /// Here.
    Text(Secret),
    /// In a file of its own.
    File(PathBuf),
}

/// What is believed.
pub(super) struct Chosen {
    pub(super) source: Source,
    /// The certificate that goes with a database.
    pub(super) ca_file: Option<PathBuf>,
}

/// The settings that name what the worker speaks to: only one of them makes sense.
const NAMES: [(&str, &str, &str); 3] = [
    ("database_url", "--database-url", "DATABASE_URL"),
    (
        "database_url_file",
        "--database-url-file",
        "CREEL_DATABASE_URL_FILE",
    ),
    ("data_api_url", "--data-api-url", "CREEL_DATA_API_URL"),
];

/// A flag goes before the environment, that before the file; but a file that a flag names goes before what
/// only happens to be in the environment.
pub(super) fn plan_source(
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
    let (source, ca_file) = match (flag, environment, in_file) {
        (Some(source), _, _) => (source, usual_ca),
        (None, Some(_), Some(source)) if named_by_flag => {
            warnings.push(
                "the environment names a database too (DATABASE_URL, CREEL_DATABASE_URL_FILE or \
                 CREEL_DATA_API_URL); the one in the file of --config is used: unset the variable, or give it as \
                 a flag if it is the right one"
                    .to_owned(),
            );
            let ca_is_flag = given.origins.database_ca_file == Origin::Flag;
            let ca_file = given_ca.filter(|_| ca_is_flag);
            // The environment's certificate is that of the environment's database.
            (source, ca_file.or_else(|| file.database_ca_file.clone()))
        }
        (None, Some(source), in_file) => {
            if in_file.is_some_and(|in_file| in_file.is_data_api() != source.is_data_api()) {
                warnings.push(
                    "the environment and the configuration file name different ways to the database; that of the \
                     environment is used: unset the variable (DATABASE_URL, CREEL_DATABASE_URL_FILE or \
                     CREEL_DATA_API_URL), or name the file by --config"
                        .to_owned(),
                );
            }
            (source, usual_ca)
        }
        (None, None, Some(source)) => (source, usual_ca),
        (None, None, None) => return Ok(None),
    };
    Ok(Some(Chosen { source, ca_file }))
}

impl Source {
    fn is_data_api(&self) -> bool {
        matches!(self, Self::DataApi(_))
    }
}

/// The one source among those of this origin; of all if it is none.
fn source_of(args: &WorkerArgs, origin: Option<Origin>) -> Result<Option<Source>, ConfigError> {
    let is_meant = |of: Origin| origin.is_none_or(|origin| origin == of);
    let origins = &args.origins;
    let given = [
        args.database_url.is_some() && is_meant(origins.database_url),
        args.database_url_file.is_some() && is_meant(origins.database_url_file),
        args.data_api_url.is_some() && is_meant(origins.data_api_url),
    ];
    let named: Vec<_> = std::iter::zip(NAMES, given)
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
    if let [one, other, ..] = named.as_slice() {
        let message = match origin {
            Some(Origin::Flag) => format!("{} and {} are both given; keep one", one.1, other.1),
            Some(Origin::Environment) => {
                format!("{} and {} are both in the environment; unset one", one.2, other.2)
            }
            None => format!("{} and {} are both in the file; keep one", one.0, other.0),
        };
        return Err(ConfigError::Value { key: one.0, message });
    }
    Ok(match given {
        [true, ..] => args
            .database_url
            .clone()
            .map(DatabaseUrl::Text)
            .map(Source::Database),
        [_, true, _] => {
            let path = args.database_url_file.as_deref();
            let path = path.map(|path| absolute("database_url_file", path)).transpose()?;
            path.map(DatabaseUrl::File).map(Source::Database)
        }
        [.., true] => args.data_api_url.clone().map(Source::DataApi),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: &str = "postgresql://flag@127.0.0.1/db";
    const ENVIRONMENT: &str = "postgresql://environment@127.0.0.1/db";
    const API: &str = "https://abc.supabase.co";
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
                "api" => {
                    (args.data_api_url, args.origins.data_api_url) = (Some((*value).to_owned()), *origin);
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
        let chosen = plan_source(given, &file, &mut warnings)
            .expect("a plan")
            .expect("a URL");
        let url = match chosen.source {
            Source::Database(DatabaseUrl::Text(url)) => url.expose().to_owned(),
            Source::Database(DatabaseUrl::File(path)) => path.to_string_lossy().into_owned(),
            Source::DataApi(url) => url,
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
            (vec![("api", API, Flag)], (API, 0)),
            (vec![("api", API, Environment)], (API, 1)),
            (vec![("api", API, Environment), ("config", "/c", Flag)], (FILE, 1)),
            (vec![in_environment, ("api", API, Flag)], (API, 0)),
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
            for other in [("url_file", "/url", origin), ("api", API, origin)] {
                let args = given(&[("url", FLAG, origin), other]);
                let said = source_of(&args, Some(origin)).expect_err("refused").to_string();
                assert!(said.contains(expected), "{said}");
            }
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
