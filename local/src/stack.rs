//! The whole local stack: up in order, down in the other order.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use creel_core::secret::Secret;
use creel_functions::data_api::DataApi;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::billing::{self, Billing, StripeConfig};
use crate::gateway::auth::{User, Users};
use crate::gateway::{Gateway, GatewayConfig, http};
use crate::install::Tools;
use crate::keys::{self, ApiKeys, Passwords};
use crate::postgres::{Cluster, ClusterConfig};
use crate::postgrest::{Postgrest, PostgrestConfig};
use crate::realtime::{Realtime, RealtimeConfig};
use crate::{database, migrations, notify, ports, process, sweep};

/// The database of the stack, as on Supabase.
const DATABASE: &str = "postgres";

/// As many as a small hosted project has.
const MAX_CONNECTIONS: u32 = 100;

/// Connections of PostgREST: its own default.
const POOL: u32 = 10;

/// How a stack is run.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// Where everything that the stack keeps is kept.
    pub state_dir: PathBuf,
    /// Where programs from npm are installed; `tools` in the state folder if none.
    pub tools_dir: Option<PathBuf>,
    /// Off for tests only: a power cut may then destroy what was written.
    pub durable: bool,
    /// The one port; the one of the last run, or any free one, if none.
    pub gateway_port: Option<u16>,
    /// Port of Postgres; the one of the last run, or any free one, if none.
    pub postgres_port: Option<u16>,
    /// Which Stripe it speaks to; none if there is none.
    pub stripe: Option<StripeConfig>,
}

impl StackConfig {
    /// A durable stack on any free ports.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            tools_dir: None,
            durable: true,
            gateway_port: None,
            postgres_port: None,
            stripe: None,
        }
    }

    /// The programs of this stack.
    pub fn tools(&self) -> Tools {
        Tools::new(
            self.tools_dir
                .clone()
                .unwrap_or_else(|| self.state_dir.join("tools")),
        )
    }
}

/// Ports of the last run: what people copied into their pages stays right.
#[derive(Debug, Default, Serialize, Deserialize)]
struct LastPorts {
    gateway: Option<u16>,
    postgres: Option<u16>,
}

/// A running stack. Call [`Stack::down`] at the end; a dropped one is told to stop but not waited for.
#[derive(Debug)]
pub struct Stack {
    gateway: Gateway,
    postgrest: Postgrest,
    cluster: Cluster,
    keys: ApiKeys,
    passwords: Passwords,
    users: Users,
    applied: Vec<String>,
    stop: CancellationToken,
    sweeper: JoinHandle<()>,
    notifier: JoinHandle<()>,
    biller: Option<JoinHandle<()>>,
    _lock: File,
}

impl Stack {
    /// Installs what is missing, starts everything, applies the migrations, and returns when it is ready.
    pub async fn up(config: &StackConfig) -> Result<Self> {
        let dir = make_state_dir(&config.state_dir)?;
        let lock = lock(&dir)?;
        let tools = config.tools();
        let install = tools.postgres().await?;
        let program = tools.postgrest().await?;
        let (keys, passwords) = keys::load_or_create(&dir.join("keys.json"))?;
        process::stop_left_behind(&dir, "postgrest");

        let last = last_ports(&dir);
        let cluster_config = ClusterConfig {
            dir: dir.join("postgres"),
            install,
            log: dir.join("postgres.log"),
            port: config.postgres_port.or(last.postgres),
            durable: config.durable,
            max_connections: MAX_CONNECTIONS,
        };
        let cluster = Cluster::start(&cluster_config, &passwords.supabase_admin).await?;
        let applied = prepare(&cluster, &passwords).await?;

        let http = http::client()?;
        let postgrest_config = PostgrestConfig {
            program,
            database_port: cluster.port(),
            database: DATABASE.to_owned(),
            password: passwords.authenticator.clone(),
            jwt_secret: keys.jwt_secret.clone(),
            pool: POOL,
            log: dir.join("postgrest.log"),
            mark: dir.clone(),
        };
        let postgrest = Postgrest::start(&postgrest_config, &http).await?;

        let auth = cluster.config("supabase_auth_admin", &passwords.supabase_auth_admin, DATABASE);
        let users = Users::new(auth, keys.jwt_secret.clone());
        let billing = match &config.stripe {
            Some(stripe) => {
                let mut client = cluster.postgres(&passwords, DATABASE).await?;
                let key = billing::make_key(&mut client).await?;
                let api = DataApi::new(&postgrest.url(), keys.publishable.clone(), None);
                Some(Billing::new(stripe, api, key)?)
            }
            None => None,
        };
        let gateway_config = GatewayConfig {
            rest_url: postgrest.url(),
            keys: keys.clone(),
            users: users.clone(),
            http,
            billing: billing.clone(),
            realtime: RealtimeConfig {
                log: cluster.config("postgres", &passwords.postgres, DATABASE),
                questions: cluster.config("authenticator", &passwords.authenticator, DATABASE),
            },
        };
        let remembered = last.gateway.filter(|&port| ports::is_free(port));
        let gateway = Gateway::start(config.gateway_port.or(remembered), gateway_config).await?;
        remember_ports(&dir, &gateway, &cluster)?;

        let stop = CancellationToken::new();
        let sweeping = cluster.config("postgres", &passwords.postgres, DATABASE);
        let notifier = tokio::spawn(notify::run(sweeping.clone(), stop.clone()));
        let sweeper = tokio::spawn(sweep::run(sweeping, stop.clone()));
        let biller = billing.map(|billing| tokio::spawn(billing.run(stop.clone())));
        Ok(Self {
            gateway,
            postgrest,
            cluster,
            keys,
            passwords,
            users,
            applied,
            stop,
            sweeper,
            notifier,
            biller,
            _lock: lock,
        })
    }

    /// What supabase-js calls the project's URL.
    pub fn supabase_url(&self) -> String {
        self.gateway.url()
    }

    /// Where a person finds the dashboard.
    pub fn page_url(&self) -> String {
        format!("{}/", self.gateway.url())
    }

    /// The key that pages carry.
    pub fn publishable_key(&self) -> &Secret {
        &self.keys.publishable
    }

    /// The key that may do everything.
    pub fn secret_key(&self) -> &Secret {
        &self.keys.secret
    }

    /// What answers at `/realtime/v1`; a test can cut it while the rest lives.
    pub fn realtime(&self) -> &Realtime {
        self.gateway.realtime()
    }

    /// A connection string for the role `postgres`.
    pub fn database_url(&self) -> Secret {
        Secret::new(self.url_for("postgres", &self.passwords.postgres))
    }

    /// A connection string for a login role of this stack, such as that of an enrolled host.
    pub fn database_url_for(&self, role: &str, password: &Secret) -> Secret {
        Secret::new(self.url_for(role, password))
    }

    /// Versions of the migrations that this start applied.
    pub fn applied_migrations(&self) -> &[String] {
        &self.applied
    }

    /// Makes a person who can sign in by password, or sets the password of an existing one.
    pub async fn create_user(&self, email: &str, password: &Secret) -> Result<User> {
        self.users.save(email, password).await
    }

    /// A token for a person of this stack, as a sign-in would give it.
    pub fn user_token(&self, user: &User) -> Result<Secret> {
        self.users.token(user)
    }

    /// Waits until a part ends by itself; returns which one. The stack is then of no use any more.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            () = self.cluster.ended() => "Postgres",
            () = self.postgrest.ended() => "PostgREST",
        }
    }

    /// Stops everything and waits for the end.
    pub async fn down(self) -> Result<()> {
        self.stop.cancel();
        self.gateway.stop();
        let _sweeper = self.sweeper.await;
        let _notifier = self.notifier.await;
        if let Some(biller) = self.biller {
            let _biller = biller.await;
        }
        let rest = self.postgrest.stop().await;
        let cluster = self.cluster.stop().await;
        rest.and(cluster)
    }

    /// Ends as a killed process does: nothing is stopped, and the folder's lock is open. For tests.
    #[doc(hidden)]
    pub fn forget(self) {
        self.stop.cancel();
        self.gateway.stop();
        std::mem::forget((self.cluster, self.postgrest));
    }

    fn url_for(&self, role: &str, password: &Secret) -> String {
        format!(
            "postgresql://{role}:{}@127.0.0.1:{}/{DATABASE}",
            password.expose(),
            self.cluster.port()
        )
    }
}

/// Roles, schemas and migrations of the stack's database.
async fn prepare(cluster: &Cluster, passwords: &Passwords) -> Result<Vec<String>> {
    let admin = cluster.superuser(passwords, DATABASE).await?;
    database::bootstrap_roles(&admin, passwords).await?;
    database::bootstrap_database(&admin).await?;
    let mut client = cluster.postgres(passwords, DATABASE).await?;
    let applied = migrations::apply(&mut client, &migrations::built_in()?).await?;
    // What is tried on this machine may be told to this machine.
    client
        .batch_execute("update creel.settings set webhooks_to_loopback = true where not webhooks_to_loopback")
        .await
        .context("allow webhooks on this machine")?;
    Ok(applied)
}

fn make_state_dir(dir: &Path) -> Result<PathBuf> {
    // Root's Postgres runs as another user, who must be able to pass through.
    let mode = if rustix::process::geteuid().is_root() {
        0o711
    } else {
        0o700
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(dir)
        .with_context(|| format!("make the state folder {}", dir.display()))?;
    dir.canonicalize().context("find the state folder")
}

/// One stack a folder. The lock ends with the process, also with a killed one.
fn lock(dir: &Path) -> Result<File> {
    let file = File::create(dir.join("lock")).context("open the lock of the state folder")?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another creel up runs on {}; stop it, or give another state folder",
            dir.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("lock the state folder"),
    }
}

fn last_ports(dir: &Path) -> LastPorts {
    let text = fs::read_to_string(dir.join("ports.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn remember_ports(dir: &Path, gateway: &Gateway, cluster: &Cluster) -> Result<()> {
    let ports = LastPorts {
        gateway: Some(gateway.port()),
        postgres: Some(cluster.port()),
    };
    keys::write_private(&dir.join("ports.json"), &serde_json::to_string(&ports)?)
        .context("remember the ports")
}
