//! What was given by the environment, and what by a flag.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error};

/// Which settings are from the environment; none of them where a program fills them in by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origins {
    pub(super) config: Origin,
    pub(super) database_url: Origin,
    pub(super) database_url_file: Origin,
    pub(super) database_ca_file: Origin,
    pub(super) data_api_url: Origin,
}

/// Who gave a setting that is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// A flag, or a program.
    #[default]
    Flag,
    /// A variable.
    Environment,
}

impl Origin {
    fn of(matches: &ArgMatches, id: &str) -> Self {
        // A command may know fewer settings than the worker.
        if matches.try_contains_id(id).is_err() {
            return Self::Flag;
        }
        match matches.value_source(id) {
            Some(ValueSource::EnvVariable) => Self::Environment,
            _ => Self::Flag,
        }
    }
}

impl clap::FromArgMatches for Origins {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self {
            config: Origin::of(matches, "config"),
            database_url: Origin::of(matches, "database_url"),
            database_url_file: Origin::of(matches, "database_url_file"),
            database_ca_file: Origin::of(matches, "database_ca_file"),
            data_api_url: Origin::of(matches, "data_api_url"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// It has no flags of its own.
impl clap::Args for Origins {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
