//! One enum for each status column. A test compares each with the CHECK of its column.

/// Declares an enum whose variants are the texts of a column.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// All variants, in the order of a life.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text in the column.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownStatus(text.to_owned())),
                }
            }
        }
    };
}

/// A text that none of the variants has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}")]
pub struct UnknownStatus(pub String);

text_enum! {
    /// `project_members.role`: what a person may do in a project.
    MemberRole {
        /// Everything, members and hosts included. Whoever creates the project is one.
        Owner = "owner",
        /// Writes agents, requests and documents.
        Editor = "editor",
        /// Reads.
        Viewer = "viewer",
    }
}

text_enum! {
    /// `hosts.status`. *Offline* is no status: it follows from `host_heartbeats.last_seen_at` when read.
    HostStatus {
        /// Made by `creel host enroll`; its worker has never ticked.
        Enrolled = "enrolled",
        /// Its worker has ticked. Set by the tick.
        Online = "online",
        /// Finishes what it has and takes nothing new. Set by a person.
        Draining = "draining",
        /// Will never come back; nothing waits for it. Set by a person.
        Retired = "retired",
    }
}

text_enum! {
    /// `hosts.tenancy`: whose agents may live beside each other on a host.
    Tenancy {
        /// Agents that have no container or virtual machine of their own are of one project.
        Single = "single",
        /// Several projects share it. Only where one person answers for all of them.
        Trusted = "trusted",
    }
}

text_enum! {
    /// `agents.status`: what the host observed, never what was asked for.
    AgentStatus {
        /// The row is there; no host has begun. Set when the row is made.
        PendingDeploy = "pending_deploy",
        /// A host is at it. Set by the claim.
        Deploying = "deploying",
        /// A gateway serves it. Set by the host.
        Running = "running",
        /// Registered in OpenClaw; its gateway is down. Set by the host.
        Stopped = "stopped",
        /// The last attempt failed; the reason is on the request. Set by finish and sweep.
        Error = "error",
        /// Gone from the host. Set by the host.
        Removed = "removed",
    }
}

text_enum! {
    /// `agents.desired_state`: what a person wants; the host reconciles towards it.
    DesiredState {
        /// Served by a gateway.
        Running = "running",
        /// Registered, not served.
        Stopped = "stopped",
        /// Undeployed. Deleting the row of an agent that a host has sets it.
        Removed = "removed",
    }
}

text_enum! {
    /// `agents.backend`: where an agent runs.
    Backend {
        /// As one agent in the host's one gateway.
        Shared = "shared",
        /// With a state directory, a port and a gateway process of its own.
        Profile = "profile",
        /// In a container of its own.
        Docker = "docker",
        /// In a virtual machine of its own.
        Multipass = "multipass",
    }
}

text_enum! {
    /// `agent_status.state`: what an agent is doing.
    AgentActivity {
        /// Waiting for something to do.
        Idle = "idle",
        /// Reading what it was given.
        Processing = "processing",
        /// Waiting for its model.
        Thinking = "thinking",
        /// Running a tool.
        Executing = "executing",
        /// Resting after an error or a limit.
        Cooldown = "cooldown",
        /// Not working; the note says why.
        Error = "error",
        /// Its host or gateway is away.
        Offline = "offline",
    }
}

text_enum! {
    /// `agent_provision_requests.status`.
    RequestStatus {
        /// Waits for a host. Set by whoever writes the row, and when an attempt is to be repeated.
        Queued = "queued",
        /// A host holds it. Set by the claim.
        Running = "running",
        /// The agent is there. Set by finish.
        Done = "done",
        /// It will not be tried again unless it is redriven. Set by finish and sweep.
        Error = "error",
    }
}

text_enum! {
    /// `agent_commands.type`: what a host is to do with an agent.
    CommandType {
        /// Make everything that the agent needs, and start it.
        Deploy = "deploy",
        /// Let it run.
        Start = "start",
        /// Stop it; its files stay.
        Stop = "stop",
        /// Stop it, if it runs, and start it.
        Restart = "restart",
        /// Stop it and take everything of it away, but for an archive of its workspace.
        Undeploy = "undeploy",
        /// Give it the configuration and the documents that its rows have.
        UpdateConfig = "update_config",
    }
}

text_enum! {
    /// `agent_commands.status`.
    CommandStatus {
        /// Waits for a host. Set by whoever writes the row, and when an attempt is to be repeated.
        Pending = "pending",
        /// A host holds it. Set by the claim.
        Sent = "sent",
        /// Done. Set by finish, and where no host had anything to do.
        Acked = "acked",
        /// It will not be tried again, unless it is redriven; or a newer command superseded it. Set by finish,
        /// sweep and by the newer command.
        Failed = "failed",
    }
}

text_enum! {
    /// `brain_docs.doc_type`: the documents of an agent that are mirrored.
    DocType {
        /// `SOUL.md`: who the agent is.
        Soul = "soul",
        /// `AGENTS.md`: how it works.
        Agents = "agents",
        /// `USER.md`: whom it works for.
        User = "user",
        /// `IDENTITY.md`: its name and face.
        Identity = "identity",
        /// `MEMORY.md`: what it remembers for good.
        MemoryLong = "memory_long",
        /// `memory/<day>.md`: what it remembers of the day.
        MemoryToday = "memory_today",
    }
}

impl DocType {
    /// The file in the workspace; none for the day's memory, whose name depends on the day.
    pub const fn file_name(self) -> Option<&'static str> {
        match self {
            Self::Soul => Some("SOUL.md"),
            Self::Agents => Some("AGENTS.md"),
            Self::User => Some("USER.md"),
            Self::Identity => Some("IDENTITY.md"),
            Self::MemoryLong => Some("MEMORY.md"),
            Self::MemoryToday => None,
        }
    }
}

text_enum! {
    /// `brain_doc_versions.author_kind`: who wrote a version.
    AuthorKind {
        /// A signed-in member, by the page or the command line.
        Person = "person",
        /// The agent, in its workspace.
        Agent = "agent",
        /// A template, when the agent was made.
        Template = "template",
        /// An update of OpenClaw or Creel.
        Update = "update",
    }
}

text_enum! {
    /// `brain_docs.sync_state`: whether the disk has what the row has.
    DocSyncState {
        /// The row's text is not on the disk yet. Set when a person writes the row, and by a merge.
        Waiting = "waiting",
        /// The disk had the row's text when the host looked last. Set by the host.
        Synced = "synced",
        /// The disk has a text that is nothing or a template, and the row has more: nothing is copied until a person
        /// says which one it is to be, or one of the two changes. Set by the host.
        Held = "held",
        /// The file cannot be mirrored; `sync_note` says why, and what to do. Set and cleared by the host.
        Blocked = "blocked",
    }
}

text_enum! {
    /// `brain_doc_versions.reason`: how a version came about; null is a plain write.
    DocReason {
        /// Both sides had changed, and their lines were merged.
        Merged = "merged",
        /// Both sides had changed the same lines: the disk's text won, and `brain_docs.conflict_version` is the other.
        Conflict = "conflict",
        /// What the disk had when the document was held. Never the row's text.
        Held = "held",
        /// The disk went back to the text of an earlier version, as a restored backup does.
        WentBack = "went_back",
        /// A person restored an earlier version.
        Restored = "restored",
        /// With a new day the document moved on to the new day's file.
        Day = "day",
        /// What the file of an earlier day has come to say. Never the row's text.
        EarlierDay = "earlier_day",
        /// What the disk had before it was merged. Never the row's text.
        MergeSide = "merge_side",
        /// A person took the disk's text of a held document.
        Accepted = "accepted",
    }
}

text_enum! {
    /// `agent_provision_requests.woken_by` and the argument of claim: what made the worker look.
    WokenBy {
        /// A notification.
        Push = "push",
        /// The clock, or work that was left from the claim before.
        Poll = "poll",
    }
}

text_enum! {
    /// What an attempt came to, as `finish` is told.
    Outcome {
        /// It worked.
        Done = "done",
        /// It did not, and another attempt may.
        Retry = "retry",
        /// It did not, and will not without a person's help.
        Failed = "failed",
    }
}

text_enum! {
    /// `creel.dead_letters.reason`: why an item is tried no more.
    DeadReason {
        /// Every attempt was used up.
        Attempts = "attempts",
        /// The host said that no attempt can succeed.
        Failed = "failed",
        /// Its own deadline passed.
        Deadline = "deadline",
        /// No host may take it.
        NoHost = "no_host",
    }
}

text_enum! {
    /// `events.kind`, as far as a host writes it by its tick; `creel.log_host_events` knows the same ones.
    HostEventKind {
        /// OpenClaw's configuration could not be read, and the last good one was put back. Set by the broker.
        ConfigRestored = "openclaw.config_restored",
        /// OpenClaw's configuration cannot be used, and there is nothing to put back. Set by the broker and
        /// by whoever keeps the gateway.
        ConfigUnusable = "openclaw.config_unusable",
        /// The host's gateway was started by the worker and is ready.
        GatewayStarted = "gateway.started",
        /// The host's gateway ended by itself, or did not get ready in time.
        GatewayFailed = "gateway.failed",
        /// The host's gateway failed too often; a person is to look at it.
        GatewayGivenUp = "gateway.given_up",
        /// An agent was started without a command, as after a restart of its host. Set by the supervisor.
        AgentStarted = "agent.started",
        /// An agent was stopped without a command: it was not to run. Set by the supervisor.
        AgentStopped = "agent.stopped",
        /// An agent ended by itself, and is started again after a pause. Set by the supervisor.
        AgentCrashed = "agent.crashed",
        /// An agent that ended by itself runs again. Set by the supervisor.
        AgentRestarted = "agent.restarted",
        /// An agent ended too often; a person is to look at it. Set by the supervisor.
        AgentGivenUp = "agent.given_up",
        /// An agent used more than it may for too long, and was stopped. Set by the supervisor.
        AgentLimitExceeded = "agent.limit_exceeded",
        /// The worker is too old for the database, and takes no work.
        HostUpgradeNeeded = "host.upgrade_needed",
    }
}

text_enum! {
    /// `notifications.kind`; all but the last are what `webhooks.events` may list.
    NotificationKind {
        /// An agent ended by itself, was given up, or could not be made or started.
        AgentDown = "agent.down",
        /// An agent used more than it may for too long, and was stopped.
        LimitExceeded = "limit.exceeded",
        /// A host with agents of the project is silent.
        HostOffline = "host.offline",
        /// It is back.
        HostOnline = "host.online",
        /// A person wants to see whether the webhook works.
        Test = "webhook.test",
    }
}

impl NotificationKind {
    /// What a webhook may be told of without anybody asking.
    pub fn events() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| *kind != Self::Test)
    }
}

text_enum! {
    /// `notifications.status`.
    NotificationStatus {
        /// Waits to be delivered, for the first time or again.
        Pending = "pending",
        /// Somebody delivers it. Set by `claim_notifications`.
        Sent = "sent",
        /// The receiver said that it has it. Set by `finish_notifications`.
        Delivered = "delivered",
        /// It was tried often enough, or nobody wants it any more; it can be redriven.
        Failed = "failed",
    }
}

text_enum! {
    /// What an attempt to deliver a notification came to, as `finish_notifications` is told.
    DeliveryOutcome {
        /// The receiver has it.
        Delivered = "delivered",
        /// No answer, or one that says to come again.
        Retry = "retry",
        /// An answer that another attempt is not likely to change.
        Refused = "refused",
        /// Nobody wants anything at this address any more.
        Gone = "gone",
    }
}

text_enum! {
    /// `host_earnings.kind`: what a row of the ledger is.
    EarningKind {
        /// What a paid invoice gave to the host's owner.
        Earning = "earning",
        /// The deployer got money back.
        Refund = "refund",
        /// The deployer's bank took it.
        Dispute = "dispute",
        /// It came back, as the dispute was won.
        DisputeWon = "dispute_won",
        /// The agent was away because of the host.
        Outage = "outage",
        /// An operator's own correction.
        Adjustment = "adjustment",
    }
}

text_enum! {
    /// `agent_canaries.status`.
    CanaryStatus {
        /// Waits for the agent's host.
        Queued = "queued",
        /// The host lets the agent answer. Set by the claim.
        Running = "running",
        /// The answer is right.
        Done = "done",
        /// It is not, or there was none.
        Failed = "failed",
    }
}

text_enum! {
    /// `agent_canaries.fault`: why a canary failed.
    CanaryFault {
        /// Nothing came from the host in time. Set by the sweep.
        Unanswered = "unanswered",
        /// The host says that the agent is not there, or cannot be asked.
        Error = "error",
        /// The host says that the agent's model gave an error.
        Model = "model",
        /// The agent said something else.
        Wrong = "wrong",
    }
}

text_enum! {
    /// `agent_outages.ended_by`: what ended an outage.
    OutageEnd {
        /// The agent answers again.
        Answer = "answer",
        /// It was stopped, moved, or is not paid for any more.
        Wish = "wish",
    }
}

text_enum! {
    /// `creel.stripe_requests.kind`: what Stripe is asked to do because of a correction.
    StripeRequestKind {
        /// To take back of a transfer.
        Reversal = "reversal",
        /// To transfer again what was taken.
        Payback = "payback",
    }
}

text_enum! {
    /// `creel.stripe_requests.status`.
    StripeRequestStatus {
        /// Is to be asked for, or asked for again.
        Waiting = "waiting",
        /// Stripe has done it.
        Done = "done",
        /// Stripe will never do it.
        Failed = "failed",
    }
}

text_enum! {
    /// `agents.billing`: whether somebody has to pay for an agent.
    AgentBilling {
        /// Nobody asks for money.
        Free = "free",
        /// It waits for its payment, or is not paid for any more: it is neither deployed nor started.
        Unpaid = "unpaid",
        /// A subscription covers it.
        Paid = "paid",
    }
}

text_enum! {
    /// `project_hosts.terms`: what a host runs for a project.
    HostTerms {
        /// Whatever the project wants.
        Own = "own",
        /// What is paid for, and nothing else.
        Rented = "rented",
    }
}

text_enum! {
    /// `checkout_intents.plan` and `subscriptions.plan`: what is paid for at a time.
    Plan {
        /// A month.
        Month = "month",
        /// A year.
        Year = "year",
    }
}

text_enum! {
    /// `checkout_intents.status`.
    CheckoutStatus {
        /// It can be paid, and its place on the host is kept. Set by `begin_checkout`.
        Open = "open",
        /// It was paid. Set when Stripe says so.
        Paid = "paid",
        /// Nobody paid it in time. Set when Stripe says so, and by the sweep.
        Expired = "expired",
        /// The deployer's bank refused. Set when Stripe says so.
        Failed = "failed",
    }
}

text_enum! {
    /// `subscriptions.status`: Stripe's own word.
    SubscriptionStatus {
        /// The first payment is not there yet.
        Incomplete = "incomplete",
        /// The first payment never came. Final.
        IncompleteExpired = "incomplete_expired",
        /// Nothing is to be paid yet.
        Trialing = "trialing",
        /// Paid.
        Active = "active",
        /// A payment failed, and Stripe tries again.
        PastDue = "past_due",
        /// Over. Final.
        Canceled = "canceled",
        /// A payment failed, and Stripe does not try again.
        Unpaid = "unpaid",
        /// A trial ended, and there is nothing to pay with.
        Paused = "paused",
    }
}

text_enum! {
    /// `subscriptions.service`: what follows for the agent.
    SubscriptionService {
        /// It waits for its first payment.
        Awaiting = "awaiting",
        /// It runs.
        Active = "active",
        /// A payment failed, and it runs until `grace_until`.
        Grace = "grace",
        /// It is stopped until somebody pays.
        Suspended = "suspended",
        /// It is stopped, and undeployed when `remove_at` has passed.
        Ended = "ended",
        /// Its host was asked to archive and undeploy it. Set by the sweep.
        Removed = "removed",
    }
}

text_enum! {
    /// `stripe_events.endpoint`: how Creel came to know it.
    StripeEndpoint {
        /// Stripe told it of the platform's own account.
        Platform = "platform",
        /// Stripe told it of an account that is connected.
        Connect = "connect",
        /// Stripe answered it to a request of Creel's own.
        Answer = "answer",
    }
}

text_enum! {
    /// `creel.function_keys.opens`: the function that a key lets in.
    FunctionKeyKind {
        /// `apply_stripe_event`, for the functions `stripe` and `checkout`.
        Stripe = "stripe",
        /// `claim_notifications` and `finish_notifications`, for the function `notifications`.
        Notifications = "notifications",
    }
}

text_enum! {
    /// `stripe_events.status`.
    StripeEventStatus {
        /// It cannot be applied yet; the note says why.
        Waiting = "waiting",
        /// What follows from it was done, in the same transaction.
        Applied = "applied",
        /// It is nothing that Creel acts upon.
        Ignored = "ignored",
    }
}

text_enum! {
    /// `events.kind`, as far as payments are told by it.
    BillingEventKind {
        /// A checkout began, and keeps a place on a host.
        Reserved = "billing.reserved",
        /// A checkout ended without a payment, and its place is free again.
        Released = "billing.released",
        /// A subscription came to be paid, for the first time or again.
        Paid = "billing.paid",
        /// A payment failed; the agent runs on until its grace ends.
        PastDue = "billing.past_due",
        /// A subscription is not paid any more, and its agent is stopped.
        Suspended = "billing.suspended",
        /// A subscription has ended, and its agent is stopped.
        Ended = "billing.ended",
        /// An agent that is not paid for was kept long enough; its host archives and undeploys it.
        Removed = "billing.removed",
        /// Money and agents do not fit, as `detail.message` says: another price, no place any more, a second payment, an
        /// agent that was deleted. A person is to look at it.
        Mismatch = "billing.mismatch",
        /// A bank refused a payment.
        PaymentFailed = "billing.payment_failed",
        /// A bank wants its customer to confirm a payment.
        ActionRequired = "billing.action_required",
        /// Stripe refused for good what it was asked to do; a person is to look at it.
        RequestFailed = "billing.request_failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_back_from_its_text() {
        for status in RequestStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert_eq!(
            "nope".parse::<RequestStatus>(),
            Err(UnknownStatus("nope".to_owned()))
        );
    }
}
