//! By which way the database is reached, and with what.

use creel_core::secret::Secret;

use super::resolve::{optional_path, path_or, read, warn_if_shared};
use super::source::{Chosen, DatabaseUrl, Source, plan_source};
use super::{ConfigError, DataApiConfig, DatabaseConfig, WorkerArgs, WorkerConfig};

/// How the database is reached.
#[derive(Debug, Clone)]
pub enum TransportConfig {
    /// By a login role of Postgres: for hosts that are trusted.
    Direct(DatabaseConfig),
    /// By the Data API with a key: for hosts that are rented.
    Rest(DataApiConfig),
}

impl WorkerArgs {
    /// Chooses among what was given; `below` is the file.
    pub(super) fn transport(
        &self,
        below: &Self,
        warnings: &mut Vec<String>,
    ) -> Result<TransportConfig, ConfigError> {
        let Some(Chosen { source, ca_file }) = plan_source(self, below, warnings)? else {
            return Err(ConfigError::Value {
                key: "database_url",
                message: "nothing says where the database is; set DATABASE_URL, or database_url_file in the \
                          configuration file (`creel host enroll` prints the URL), or data_api_url on a host that \
                          was enrolled by a code"
                    .to_owned(),
            });
        };
        let url = match source {
            Source::DataApi(url) => return self.data_api(below, &url).map(TransportConfig::Rest),
            Source::Database(url) => read_url(url, warnings)?,
        };
        let ca_file = optional_path("database_ca_file", ca_file)?;
        let database = DatabaseConfig::from_url(&url, ca_file, warnings)?;
        database.check_session()?;
        Ok(TransportConfig::Direct(database))
    }

    fn data_api(&self, below: &Self, url: &str) -> Result<DataApiConfig, ConfigError> {
        let host_key_file = path_or(
            "host_key_file",
            self.host_key_file.clone().or_else(|| below.host_key_file.clone()),
            || WorkerConfig::default_host_key_file().ok_or(ConfigError::NoHome("host_key_file")),
        )?;
        let ca_file = self
            .data_api_ca_file
            .clone()
            .or_else(|| below.data_api_ca_file.clone());
        let ca_file = optional_path("data_api_ca_file", ca_file)?;
        let key = self
            .publishable_key
            .clone()
            .or_else(|| below.publishable_key.clone());
        let proxy = self
            .data_api_proxy
            .clone()
            .or_else(|| below.data_api_proxy.clone());
        let config = DataApiConfig::new(url, key, host_key_file, ca_file, proxy)?;
        match self.realtime_url.as_ref().or(below.realtime_url.as_ref()) {
            Some(url) => config.with_realtime(url),
            None => Ok(config),
        }
    }
}

fn read_url(source: DatabaseUrl, warnings: &mut Vec<String>) -> Result<Secret, ConfigError> {
    match source {
        DatabaseUrl::Text(url) => Ok(url),
        DatabaseUrl::File(path) => {
            let text = read("database_url_file", &path)?;
            warn_if_shared(&path, warnings);
            Ok(Secret::new(text.trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    const URL: &str = "postgresql://host_a:hunter2@127.0.0.1:5432/postgres";

    fn resolved(text: &str) -> Result<WorkerConfig, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("worker.toml");
        std::fs::write(&path, text).expect("write the file");
        WorkerArgs {
            config: Some(path),
            ..WorkerArgs::default()
        }
        .resolve()
    }

    #[test]
    fn a_host_with_a_key_names_the_data_api_in_place_of_a_database() {
        let text = "data_api_url = \"https://abc.supabase.co\"\npublishable_key = \"sb_publishable_x\"\n";
        let with_file = format!("{text}host_key_file = \"/etc/creel/host.key\"\n");
        let TransportConfig::Rest(api) = resolved(&with_file).expect("resolve").transport else {
            panic!("it has no database");
        };
        assert_eq!(api.url, "https://abc.supabase.co/rest/v1");
        assert_eq!(api.host_key_file, PathBuf::from("/etc/creel/host.key"));
        let TransportConfig::Rest(api) = resolved(text).expect("resolve").transport else {
            panic!("it has no database");
        };
        assert!(api.host_key_file.ends_with(Path::new("creel/host.key")));
    }

    #[test]
    fn what_is_given_twice_or_not_at_all_is_refused() {
        let url = "data_api_url = \"https://abc.supabase.co\"\n";
        let both = format!("{url}publishable_key = \"sb_publishable_x\"\ndatabase_url = {URL:?}\n");
        let said = resolved(&both).expect_err("refused").to_string();
        assert!(
            said.contains("data_api_url") && said.contains("database_url"),
            "{said}"
        );
        let said = resolved(url).expect_err("refused").to_string();
        assert!(
            said.contains("publishable_key is not usable: it is missing"),
            "{said}"
        );
    }
}
