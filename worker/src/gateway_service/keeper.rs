//! The loop that keeps the gateway running.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use creel_core::status::HostEventKind;
use creel_core::telemetry::{GATEWAY_READY, GATEWAY_STARTS};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::command::{GATEWAY_WORD, gateway_command, gateway_mark};
use super::config::ConfigWatch;
use super::news::told;
use super::plan::{
    Act, Answer, EXIT_CONFIG, Failed, GatewayState, Life, Limits, News, Ours, Plan, Seen, plan_pass,
};
use super::probe::probe;
use super::{GatewaySettings, GatewayView, log};
use crate::host_events::HostEvents;
use crate::openclaw::{Broker, Turn, local_client};
use crate::process::{Ended, RunningService, Service};

/// While it starts: jobs that wait for it lose no more than this.
const LOOK_WHILE_STARTING: Duration = Duration::from_millis(250);
/// Whether ours still runs costs next to nothing to see.
const LOOK_WHILE_READY: Duration = Duration::from_secs(1);
/// Whether a ready one says so still, and whether its configuration has another port.
const PROBE_WHILE_READY: Duration = Duration::from_secs(10);
/// Somebody else's, or a configuration that a person is to change.
const LOOK_ELSE: Duration = Duration::from_secs(2);

/// How long changes of the configuration wait for a gateway that starts: a start takes 8 to 26 s.
const CHANGES_WAIT: Duration = Duration::from_secs(60);

/// What the loop remembers.
pub(super) struct Keeper {
    command: Service,
    broker: Broker,
    events: Arc<HostEvents>,
    view: watch::Sender<GatewayView>,
    limits: Limits,
    client: Option<reqwest::Client>,
    life: Life,
    ours: Option<RunningService>,
    failed: Option<Failed>,
    config: ConfigWatch,
    probed: Option<(Instant, Answer)>,
    /// While it starts, OpenClaw has no patience with another of its commands: both of them end.
    alone: Option<(Instant, Turn)>,
    /// Where in its log what it says since its start begins.
    log_begin: u64,
    /// Its log cannot be rotated, as on a full disk, and that was told.
    log_is_stuck: bool,
    reason: Option<String>,
}

impl Keeper {
    pub(super) fn new(settings: GatewaySettings, view: watch::Sender<GatewayView>) -> Self {
        let command = gateway_command(
            &settings.program,
            &settings.state_dir,
            &settings.config_path,
            log::path(&settings.data_dir),
            gateway_mark(&settings.mark, &settings.state_dir),
        );
        let client = local_client()
            .inspect_err(|error| tracing::error!(%error, "failed to make an HTTP client: {error}"))
            .ok();
        Self {
            command,
            config: ConfigWatch::new(settings.config_path, settings.broker.clone()),
            broker: settings.broker,
            events: settings.events,
            view,
            limits: Limits::USUAL,
            client,
            life: Life::new(),
            ours: None,
            failed: None,
            probed: None,
            alone: None,
            log_begin: 0,
            log_is_stuck: false,
            reason: None,
        }
    }

    /// Keeps it running until it is told to stop; answers with ours, if it runs.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Option<RunningService> {
        let began = Instant::now();
        self.find_ours().await;
        loop {
            self.pass_once(began.elapsed(), &stop).await;
            tokio::select! {
                () = stop.cancelled() => return self.ours,
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
    }

    fn pause(&self) -> Duration {
        match self.life.state {
            GatewayState::Starting | GatewayState::BackingOff => LOOK_WHILE_STARTING,
            GatewayState::Ready => LOOK_WHILE_READY,
            GatewayState::Absent | GatewayState::SomebodyElses | GatewayState::GivenUp => LOOK_ELSE,
        }
    }

    async fn pass_once(&mut self, now: Duration, stop: &CancellationToken) {
        let ours = self.look_at_ours().await;
        let is_calm = ours == Ours::Running && self.life.state == GatewayState::Ready;
        let probed = self
            .probed
            .filter(|(at, _)| is_calm && at.elapsed() < PROBE_WHILE_READY);
        let answer = match probed {
            Some((_, answer)) => answer,
            None => {
                let missing = self.config.look(ours == Ours::None).await;
                if let Some(hint) = missing {
                    tracing::warn!("failed to start the gateway: {hint}");
                    self.events
                        .push(HostEventKind::ConfigUnusable, json!({ "hint": hint }));
                }
                self.rotate_log().await;
                let answer = self.ask().await;
                self.probed = Some((Instant::now(), answer));
                answer
            }
        };
        let ours = match ours {
            Ours::None if self.may_be_ours(answer) => self.find_ours().await,
            ours => ours,
        };
        let seen = Seen {
            now,
            answer,
            ours,
            config: self.config.fingerprint(),
            is_startable: self.config.is_startable(),
        };
        let Plan { life, act, news } = plan_pass(&self.life, &seen, &self.limits);
        self.life = life;
        if let Some(news) = news {
            self.tell(news);
        }
        let starts = self.life.state == GatewayState::Starting;
        self.alone
            .take_if(|(since, _)| !starts || since.elapsed() >= CHANGES_WAIT);
        self.apply(act, stop).await;
        self.show(answer);
    }

    /// Whether what answers now, and did not before, may have been started by an earlier worker: one that is killed
    /// while it starts the gateway leaves one that has no mark yet.
    fn may_be_ours(&self, answer: Answer) -> bool {
        let answers = matches!(answer, Answer::Ready | Answer::NotReady);
        answers && self.life.state != GatewayState::SomebodyElses
    }

    async fn find_ours(&mut self) -> Ours {
        self.ours = RunningService::find(&self.command.mark, GATEWAY_WORD).await;
        match &self.ours {
            Some(ours) => {
                tracing::info!(
                    pid = ours.pid(),
                    "found the gateway that an earlier worker started"
                );
                Ours::Running
            }
            None => Ours::None,
        }
    }

    /// How ours is; what ended is forgotten with this.
    async fn look_at_ours(&mut self) -> Ours {
        if let Some(failed) = self.failed.take() {
            return Ours::Failed(failed);
        }
        let Some(ours) = &mut self.ours else {
            return Ours::None;
        };
        let Some(ended) = ours.ended() else {
            return Ours::Running;
        };
        self.ours = None;
        Ours::Failed(match ended {
            Ended::Told(status) => match (status.code(), status.signal()) {
                (Some(EXIT_CONFIG), _) if self.ended_busy().await => Failed::Busy,
                (Some(code), _) => Failed::Exit(code),
                (None, Some(signal)) => Failed::Signal(signal),
                (None, None) => Failed::Vanished,
            },
            Ended::Unknown => Failed::Vanished,
        })
    }

    async fn ended_busy(&self) -> bool {
        let path = self.command.log.clone();
        let from = self.log_begin;
        let looked = tokio::task::spawn_blocking(move || log::says_busy(&path, from)).await;
        matches!(looked, Ok(Ok(true)))
    }

    async fn rotate_log(&mut self) {
        let path = self.command.log.clone();
        let rotated = tokio::task::spawn_blocking(move || log::rotate_once(&path)).await;
        let was_stuck = std::mem::replace(&mut self.log_is_stuck, matches!(rotated, Ok(Err(_))));
        if let Ok(Err(error)) = rotated
            && !was_stuck
        {
            tracing::warn!(%error, "failed to rotate the gateway's log: {error}");
        }
    }

    async fn ask(&self) -> Answer {
        match (&self.client, self.config.port()) {
            (Some(client), Some(port)) => probe(client, port).await,
            _ => Answer::Silent,
        }
    }

    async fn apply(&mut self, act: Act, stop: &CancellationToken) {
        match act {
            Act::Wait => {}
            Act::Start => {
                let turn = tokio::select! {
                    turn = self.broker.turn() => turn,
                    () = stop.cancelled() => return,
                };
                self.alone = Some((Instant::now(), turn));
                self.start().await;
            }
            Act::Kill => {
                if let Some(ours) = self.ours.take() {
                    ours.kill().await;
                }
                self.failed = Some(Failed::NotReady);
            }
            Act::MendConfig => self.mend_config().await,
        }
    }

    async fn start(&mut self) {
        let path = self.command.log.clone();
        let length = tokio::task::spawn_blocking(move || log::length(&path)).await;
        self.log_begin = length.unwrap_or_default();
        match self.command.start().await {
            Ok(ours) => {
                metrics::counter!(GATEWAY_STARTS).increment(1);
                tracing::info!(pid = ours.pid(), "started the gateway");
                self.ours = Some(ours);
            }
            Err(error) => {
                let program = self.command.program.display();
                tracing::warn!(%error, "failed to start {program}: {error}");
                self.failed = Some(Failed::NotStarted);
            }
        }
    }

    /// A damaged configuration has another fingerprint once it is mended, and then it is tried again.
    async fn mend_config(&mut self) {
        if let Some(missing) = self.config.mend().await {
            self.reason = Some(missing);
        }
    }

    fn tell(&mut self, news: News) {
        let told = told(news, &self.config, &self.command.log);
        self.reason = told.reason;
        self.events.push(told.kind, told.payload);
    }

    fn show(&self, answer: Answer) {
        let is_well = matches!(self.life.state, GatewayState::Ready | GatewayState::SomebodyElses);
        let reason = match self.life.state {
            GatewayState::Absent => self.config.missing().map(ToOwned::to_owned),
            _ if is_well => None,
            _ => self.reason.clone(),
        };
        let view = GatewayView {
            state: self.life.state,
            ready: answer == Answer::Ready && is_well,
            port: self.config.port(),
            pid: self.ours.as_ref().map(RunningService::pid),
            reason,
        };
        metrics::gauge!(GATEWAY_READY).set(if view.ready { 1.0 } else { 0.0 });
        self.view.send_if_modified(|shown| {
            let changed = *shown != view;
            *shown = view;
            changed
        });
    }
}
