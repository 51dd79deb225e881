//! `creel up --once --paid`: somebody rents an agent on this host. The payment makes it run, and the end of the subscription
//! takes it away; only Stripe, and who pays there, are stood in for.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use creel_core::secret::Secret;
use creel_local::Stack;
use creel_local::billing::StripeConfig;
use creel_local::model::StandInModel;
use creel_local::stripe_stand_in::{Endpoints, StandIn};
use serde_json::{Value, json};
use uuid::Uuid;

use super::deployed::{is_gone, one_turn};
use super::project::LocalProject;
use crate::command::host::random_password;
use crate::connection::Connection;
use crate::data_api::DataApi;
use crate::database;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, Progress};
use crate::session;

/// A deployment takes 8 to 26 s, and minutes on a machine that does much else; so does what takes it away.
const STEP_LIMIT: Duration = Duration::from_secs(600);
/// How often a waiting step asks: a person sees no difference to at once, the database feels nothing.
const POLL: Duration = Duration::from_millis(100);
/// What a month costs, in cents.
const PRICE: i64 = 900;
/// What the agent is told to be.
const SOUL: &str = "# Scout\n\nYou look around and say what you see, in few words.\n";

/// A stand-in of Stripe, and who comes to rent.
pub(super) struct Shop {
    stripe: StandIn,
    webhook_secret: Secret,
    connect_webhook_secret: Secret,
    deployer: Option<DataApi>,
}

impl Shop {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let secret = || Secret::new(format!("whsec_{}", random_password().expose()));
        Ok(Self {
            stripe: StandIn::start().await?,
            webhook_secret: secret(),
            connect_webhook_secret: secret(),
            deployer: None,
        })
    }

    pub(super) fn stripe_config(&self) -> StripeConfig {
        StripeConfig {
            api_url: self.stripe.url(),
            api_key: self.stripe.api_key().clone(),
            pages_api_key: Some(self.stripe.pages_api_key().clone()),
            webhook_secret: self.webhook_secret.clone(),
            connect_webhook_secret: self.connect_webhook_secret.clone(),
        }
    }

    /// Makes a person who owns nothing here, and signs in as them.
    pub(super) async fn let_in_deployer(&mut self, stack: &Stack) -> anyhow::Result<()> {
        let email = format!(
            "deployer-{:x}@creel.local",
            jiff::Timestamp::now().as_millisecond()
        );
        let password = random_password();
        stack
            .create_user(&email, &password)
            .await
            .context("make the deployer")?;
        let connection = Connection {
            url: stack.supabase_url(),
            key: stack.publishable_key().expose().to_owned(),
            local_login: None,
        };
        let session = session::sign_in(&connection, &email, &password).await?;
        self.deployer = Some(DataApi::with_session(session, None)?);
        Ok(())
    }
}

/// One rental, and how far it is.
struct Rental<'a> {
    shop: &'a Shop,
    landlord: &'a LocalProject,
    deployer: &'a DataApi,
    database: tokio_postgres::Client,
    data_dir: &'a Path,
    model: &'a StandInModel,
    progress: &'a Progress,
    project: String,
    agent_key: String,
    agent_id: Uuid,
    subscription: String,
    steps: Vec<Value>,
}

/// Lets somebody rent an agent, and shows how long each part of it took.
pub(super) async fn rent(
    landlord: &LocalProject,
    shop: &Shop,
    database_url: &Secret,
    data_dir: &Path,
    model: &StandInModel,
    out: Output,
) -> anyhow::Result<()> {
    let progress = out.progress(None);
    let short = format!("scout-{:x}", jiff::Timestamp::now().as_millisecond());
    let mut rental = Rental {
        shop,
        landlord,
        deployer: shop.deployer.as_ref().context("find the deployer")?,
        database: database::connect(database_url, None).await?,
        data_dir,
        model,
        progress: &progress,
        project: format!("rents-{short}"),
        agent_key: format!("agent:{short}:main"),
        agent_id: Uuid::nil(),
        subscription: String::new(),
        steps: Vec::new(),
    };
    let latency = rental.run().await?;
    let steps = std::mem::take(&mut rental.steps);
    drop(progress);
    out.value(&json!({
        "supabase_url": landlord.api.session.url, "steps": steps, "paid_to_running": latency,
    }));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cells = steps
        .iter()
        .map(|step| vec![text(&step["name"]), step["ms"].to_string(), text(&step["told"])]);
    out.table(&["STEP", "MS", ""], cells.collect(), "");
    if !out.is_json() {
        out.line("paid_to_running says:");
        for name in [
            "paid_at",
            "received_at",
            "asked_at",
            "running_at",
            "received_to_running",
        ] {
            out.line(format!("  {name:20} {}", text(&latency[name])));
        }
    }
    Ok(())
}

impl Rental<'_> {
    /// Answers what the view `paid_to_running` says.
    async fn run(&mut self) -> anyhow::Result<Value> {
        self.let_host().await?;
        let session = self.checkout().await?;
        let began = Instant::now();
        let paid = self.shop.stripe.pay(&session)?;
        self.subscription = paid.subscription;
        let told = self.deliver().await?;
        self.done("pay", began, &format!("{told} events are applied"));

        let latency = self.running(began).await?;
        let port = self.port().await?;
        self.turn(port).await?;
        self.earned().await?;
        self.renew().await?;

        let retention = "select billing_retention_secs from creel.settings";
        let row = self.database.query_one(retention, &[]).await;
        let kept_secs: i32 = row.context("read how long agents are kept")?.get(0);
        self.keep_for(0).await?;
        let ended = self.end(port).await;
        self.keep_for(kept_secs).await?;
        ended?;
        Ok(latency)
    }

    fn done(&mut self, name: &str, began: Instant, told: &str) {
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.done(&format!("{name} ({ms} ms)"));
        self.steps.push(json!({ "name": name, "ms": ms, "told": told }));
    }

    /// The host gets a price, and its owner an account at Stripe.
    async fn let_host(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        self.progress.doing("letting this host");
        let api = &self.landlord.api;
        let price = json!({ "price": { "month": PRICE } });
        let host = self.landlord.host_id.to_string();
        api.run(api.from("hosts").eq("id", &host).update(price.to_string()))
            .await?;
        let known = api.rows(api.from("stripe_accounts").select("account_id")).await?;
        if let Some(account) = known.first().and_then(|row| row["account_id"].as_str()) {
            self.shop.stripe.know_account(account)?;
        }
        let page = "http://127.0.0.1:3000/earnings";
        let wish = json!({ "returnUrl": page, "refreshUrl": page });
        let answer = self.ask(api, "checkout/onboarding", &wish).await?;
        let account = last_of(&answer["url"])?;
        self.shop.stripe.onboard(&account)?;
        self.deliver().await?;
        let told = format!("{PRICE} cents a month, for {account}");
        self.done("let the host", began, &told);
        Ok(())
    }

    /// Somebody of another project wants an agent. Answers the session at Stripe.
    async fn checkout(&mut self) -> anyhow::Result<String> {
        let began = Instant::now();
        self.progress.doing("checkout");
        crate::command::project::create(self.deployer, &self.project, "Rents").await?;
        let page = "http://127.0.0.1:3000/agents";
        let wish = json!({
            "projectId": self.project, "agentKey": self.agent_key, "hostId": self.landlord.host_id, "plan": "month",
            "agent": {
                "name": "Scout", "emoji": "🦞", "role": "looks around", "backend": "profile", "docs": { "soul": SOUL },
            },
            "successUrl": page, "cancelUrl": page,
        });
        let answer = self.ask(self.deployer, "checkout/sessions", &wish).await?;
        let id = answer["agentId"].as_str().context("read the agent's id")?;
        self.agent_id = id.parse().context("read the agent's id")?;
        let agent = self.agent().await?;
        if agent["billing"] != "unpaid" {
            anyhow::bail!("nobody paid yet, and the agent is {}", agent["billing"]);
        }
        self.done("checkout", began, "a place is kept, nothing runs");
        last_of(&answer["url"])
    }

    /// Waits until the view says that the agent runs.
    async fn running(&mut self, paid: Instant) -> anyhow::Result<Value> {
        self.progress.doing("deploying what was paid for");
        let row = loop {
            let asked = self.deployer.from("paid_to_running").select("*");
            let asked = asked.eq("subscription_id", &self.subscription);
            let row = self.deployer.rows(asked).await?.pop().unwrap_or_default();
            let gap = row["gap"]
                .as_str()
                .unwrap_or("nothing is known of the subscription");
            if row["running_at"].is_string() {
                break row;
            }
            if gap.starts_with("it failed") || paid.elapsed() > STEP_LIMIT {
                let message = format!("the agent is paid for, and does not run: {gap}");
                return Err(CliError::new(ErrorKind::Failed, message).into());
            }
            tokio::time::sleep(POLL).await;
        };
        self.done("paid to running", paid, "as its deployer sees it");
        Ok(row)
    }

    async fn port(&self) -> anyhow::Result<u16> {
        let asked = self
            .deployer
            .from("agent_commands")
            .select("result")
            .eq("type", "deploy");
        let asked = asked.eq("agent_id", self.agent_id.to_string());
        let row = self.deployer.rows(asked).await?.pop().unwrap_or_default();
        let port = row["result"]["port"]
            .as_u64()
            .and_then(|port| port.try_into().ok());
        port.context("read the agent's port")
    }

    async fn turn(&mut self, port: u16) -> anyhow::Result<()> {
        let began = Instant::now();
        self.progress.doing("one turn");
        let folder = self.data_dir.join("agents").join(self.agent_id.to_string());
        let said = one_turn(&folder, &self.agent_key, port, self.model, "You look around").await?;
        self.done("turn", began, &said);
        Ok(())
    }

    /// What the host's owner sees of the payment.
    async fn earned(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let api = &self.landlord.api;
        let asked = api.from("host_earnings").select("amount_minor,fee_minor");
        let asked = asked.eq("subscription_id", &self.subscription);
        let rows = api.rows(asked).await?;
        let row = rows.first().context("find what the host earned")?;
        let told = format!(
            "{} cents for the host's owner, {} for the platform",
            row["amount_minor"], row["fee_minor"]
        );
        self.done("earned", began, &told);
        Ok(())
    }

    /// The next month is paid, and what runs is left alone.
    async fn renew(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let command_count = self.command_count().await?;
        self.shop.stripe.renew(&self.subscription)?;
        self.deliver().await?;
        if self.command_count().await? != command_count {
            anyhow::bail!("a renewal was paid, and the agent's host was asked for something");
        }
        self.done("renew", began, "nothing is asked of the host");
        Ok(())
    }

    /// The subscription ends: its agent is stopped, archived and taken away.
    async fn end(&mut self, port: u16) -> anyhow::Result<()> {
        let began = Instant::now();
        self.progress.doing("the subscription ends");
        self.shop.stripe.cancel(&self.subscription)?;
        self.deliver().await?;
        self.done("cancel", began, "the agent is not paid for any more");
        self.wait_for_command("stop", began).await?;
        self.done("stopped", began, "its gateway has ended");
        self.wait_for_command("undeploy", began).await?;
        let told = is_gone(self.data_dir, self.agent_id, port).await?;
        self.done("undeployed", began, &told);
        let soul = self
            .deployer
            .from("brain_docs")
            .select("version")
            .eq("doc_type", "soul");
        let docs = self.deployer.rows(soul.eq("agent_key", &self.agent_key)).await?;
        if docs.len() != 1 {
            anyhow::bail!("the agent was undeployed, and its memory is gone");
        }
        Ok(())
    }

    async fn wait_for_command(&self, kind: &str, began: Instant) -> anyhow::Result<()> {
        self.progress.doing(kind);
        loop {
            let asked = self
                .deployer
                .from("agent_commands")
                .select("status,error")
                .eq("type", kind);
            let asked = asked.eq("agent_id", self.agent_id.to_string());
            let row = self.deployer.rows(asked).await?.pop().unwrap_or_default();
            match row["status"].as_str() {
                Some("acked") => return Ok(()),
                Some("failed") => {
                    let message = format!("{kind} failed: {}", row["error"].as_str().unwrap_or_default());
                    return Err(CliError::new(ErrorKind::Request, message).into());
                }
                _ if began.elapsed() > STEP_LIMIT => {
                    let message = format!("{kind} is not done after {} s", STEP_LIMIT.as_secs());
                    return Err(CliError::new(ErrorKind::Timeout, message).into());
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    async fn command_count(&self) -> anyhow::Result<usize> {
        let asked = self.deployer.from("agent_commands").select("id");
        let asked = asked.eq("agent_id", self.agent_id.to_string());
        Ok(self.deployer.rows(asked).await?.len())
    }

    async fn agent(&self) -> anyhow::Result<Value> {
        let asked = self.deployer.from("agents").select("billing,status");
        let asked = asked.eq("id", self.agent_id.to_string());
        self.deployer.rows(asked).await?.pop().context("find the agent")
    }

    async fn keep_for(&self, secs: i32) -> anyhow::Result<()> {
        let sql = "update creel.settings set billing_retention_secs = $1";
        let changed = self.database.execute(sql, &[&secs]).await;
        changed.context("set how long agents are kept").map(drop)
    }

    /// Stripe tells what happened, until all of it is taken. Answers how many events that were.
    async fn deliver(&self) -> anyhow::Result<usize> {
        let url = |path: &str| format!("{}/functions/v1/stripe/{path}", self.landlord.api.session.url);
        let endpoints = Endpoints {
            platform: (url("events"), self.shop.webhook_secret.clone()),
            connect: (url("connect"), self.shop.connect_webhook_secret.clone()),
        };
        let began = Instant::now();
        let mut taken = 0;
        loop {
            let told = self.shop.stripe.deliver(&endpoints).await?;
            taken += told.iter().filter(|event| event.status == 200).count();
            let Some(refused) = told.iter().find(|event| event.status != 200) else {
                return Ok(taken);
            };
            if began.elapsed() > STEP_LIMIT {
                anyhow::bail!(
                    "{} is not taken: status {}, {}",
                    refused.kind,
                    refused.status,
                    refused.body
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks a function of the local stack, as a person.
    async fn ask(&self, person: &DataApi, path: &str, body: &Value) -> anyhow::Result<Value> {
        let session = &person.session;
        let asking = creel_local::gateway::http::client()?
            .post(format!("{}/functions/v1/{path}", session.url))
            .header("apikey", &session.key)
            .bearer_auth(session.access_token().expose())
            .json(body);
        let answer = asking.send().await.with_context(|| format!("ask {path}"))?;
        let status = answer.status();
        let answer: Value = answer
            .json()
            .await
            .with_context(|| format!("read what {path} said"))?;
        if !status.is_success() {
            anyhow::bail!("{path} answered {status}: {answer}");
        }
        Ok(answer)
    }
}

/// The last part of an address: what a page of the stand-in is for.
fn last_of(url: &Value) -> anyhow::Result<String> {
    let url = url.as_str().context("read the address of Stripe's page")?;
    let last = url
        .rsplit('/')
        .next()
        .context("read the address of Stripe's page")?;
    Ok(last.to_owned())
}
