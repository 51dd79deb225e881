//! Keys and passwords of a local stack: made once, kept in a file that only its owner reads.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use serde::{Deserialize, Serialize};

/// Only the owner reads and writes.
const PRIVATE: u32 = 0o600;

/// The keys of the one port, as a hosted project has them.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    /// `sb_publishable_…`: what pages carry. Stands for the role `anon`.
    pub publishable: Secret,
    /// `sb_secret_…`: stands for the role `service_role`.
    pub secret: Secret,
    /// What tokens are signed with; PostgREST and the gateway know it.
    pub jwt_secret: Secret,
}

/// Passwords of the login roles of one cluster.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// The superuser.
    pub supabase_admin: Secret,
    /// What people and migrations connect as.
    pub postgres: Secret,
    /// What PostgREST connects as.
    pub authenticator: Secret,
    /// What the sign-in connects as.
    pub supabase_auth_admin: Secret,
}

/// The texts as they are in the file. Kept apart, so that a `Secret` cannot be serialised by mistake.
#[derive(Serialize, Deserialize)]
struct Stored {
    publishable_key: String,
    secret_key: String,
    jwt_secret: String,
    passwords: StoredPasswords,
}

/// The passwords as they are in a file.
#[derive(Serialize, Deserialize)]
struct StoredPasswords {
    supabase_admin: String,
    postgres: String,
    authenticator: String,
    supabase_auth_admin: String,
}

/// Random text of `bytes` bytes in hexadecimal: safe in URLs, SQL and environments alike.
fn random_hex<const BYTES: usize>() -> String {
    hex::encode(rand::random::<[u8; BYTES]>())
}

impl ApiKeys {
    /// New keys.
    pub fn generate() -> Self {
        Self {
            publishable: Secret::new(format!("sb_publishable_{}", random_hex::<16>())),
            secret: Secret::new(format!("sb_secret_{}", random_hex::<24>())),
            jwt_secret: Secret::new(random_hex::<32>()),
        }
    }
}

impl Passwords {
    /// New passwords.
    pub fn generate() -> Self {
        let password = || Secret::new(random_hex::<16>());
        Self {
            supabase_admin: password(),
            postgres: password(),
            authenticator: password(),
            supabase_auth_admin: password(),
        }
    }

    /// Each login role with its password.
    pub fn each(&self) -> [(&'static str, &Secret); 4] {
        [
            ("supabase_admin", &self.supabase_admin),
            ("postgres", &self.postgres),
            ("authenticator", &self.authenticator),
            ("supabase_auth_admin", &self.supabase_auth_admin),
        ]
    }
}

/// The keys and passwords in `path`; made, if there are none yet.
pub fn load_or_create(path: &Path) -> Result<(ApiKeys, Passwords)> {
    let shown = path.display();
    if !path.exists() {
        let (keys, passwords) = (ApiKeys::generate(), Passwords::generate());
        save(path, &keys, &passwords).with_context(|| format!("write the keys to {shown}"))?;
        return Ok((keys, passwords));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE))
        .with_context(|| format!("make {shown} readable by its owner only"))?;
    let text = fs::read_to_string(path).with_context(|| format!("read the keys from {shown}"))?;
    let stored: Stored = serde_json::from_str(&text)
        .with_context(|| format!("read the keys from {shown}; put the file back as it was"))?;
    let keys = ApiKeys {
        publishable: stored.publishable_key.into(),
        secret: stored.secret_key.into(),
        jwt_secret: stored.jwt_secret.into(),
    };
    let passwords = Passwords {
        supabase_admin: stored.passwords.supabase_admin.into(),
        postgres: stored.passwords.postgres.into(),
        authenticator: stored.passwords.authenticator.into(),
        supabase_auth_admin: stored.passwords.supabase_auth_admin.into(),
    };
    Ok((keys, passwords))
}

fn save(path: &Path, keys: &ApiKeys, passwords: &Passwords) -> Result<()> {
    let text = |secret: &Secret| secret.expose().to_owned();
    let stored = Stored {
        publishable_key: text(&keys.publishable),
        secret_key: text(&keys.secret),
        jwt_secret: text(&keys.jwt_secret),
        passwords: StoredPasswords {
            supabase_admin: text(&passwords.supabase_admin),
            postgres: text(&passwords.postgres),
            authenticator: text(&passwords.authenticator),
            supabase_auth_admin: text(&passwords.supabase_auth_admin),
        },
    };
    write_private(path, &serde_json::to_string_pretty(&stored)?)
}

/// Writes a file that only its owner reads. It is there whole or not at all, also after a power cut.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_extension("new");
    if draft.exists() {
        fs::remove_file(&draft)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(())
}
