//! The function `agents` on AWS Lambda: its calls, its size and its start.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use creel_core::secret::Secret;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::Effort;
use crate::figure::{Against, Figure, Goal};
use crate::lambda::{answer_one, event};
use crate::stage::{PROJECT, Stage};
use crate::statistics::median;

/// The last bytes of every request line.
const REQUEST_LINE_END: &[u8] = b" HTTP/1.1\r\n";

/// Measures.
pub async fn measure(stage: &Stage, effort: Effort) -> Result<Vec<Figure>> {
    let agents = built(stage, "lambda/agents")?;
    let hello = built(stage, "lambda/examples/hello")?;
    let calls = count_calls(stage, &agents).await?;

    let url = stage.stack().supabase_url();
    let env = [
        ("SUPABASE_URL", url.as_str()),
        (
            "SUPABASE_PUBLISHABLE_KEY",
            stage.stack().publishable_key().expose(),
        ),
    ];
    // Nobody's request: it is answered without the database, as hello's is.
    let asked = event("GET", "/agents/runtime", &json!({}), None);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..effort.pick(11, 31) {
        ours.push(answer_one(&agents, &env, &asked).await?.0);
        theirs.push(answer_one(&hello, &[], &asked).await?.0);
    }
    let mib = zip_mib(stage, "agents")?;
    let alone = |name, what, ours, unit, goal| Figure {
        name,
        what,
        ours,
        unit,
        against: Against::Itself,
        goal,
        note: None,
    };
    Ok(vec![
        alone(
            "function_calls",
            "Data API calls for one enqueue by the function",
            f64::from(calls),
            "calls",
            Goal::Exactly(1.0),
        ),
        alone("function_zip", "Lambda, zip file", mib, "MiB", Goal::AtMost(4.0)),
        Figure {
            name: "function_start",
            what: "Lambda, spawn → first answer",
            ours: median(&ours),
            unit: "ms",
            against: Against::OursByTheirs("hello-world in the same runtime", median(&theirs)),
            goal: Goal::AtMost(3.0),
            note: None,
        },
    ])
}

/// How large the package of a function is.
pub(super) fn zip_mib(stage: &Stage, function: &str) -> Result<f64> {
    let arch = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let zip = built(stage, &format!("functions/{arch}/{function}/bootstrap.zip"))?;
    let bytes = std::fs::metadata(&zip).context("look at the zip file")?.len();
    let bytes = u32::try_from(bytes).context("measure the zip file")?;
    Ok(f64::from(bytes) / (1024.0 * 1024.0))
}

/// A file that scripts/bench builds.
pub(super) fn built(stage: &Stage, file: &str) -> Result<PathBuf> {
    let path = stage.repo.join("target").join(file);
    if !path.is_file() {
        bail!(
            "{} is not built; run scripts/bench, which builds it",
            path.display()
        );
    }
    Ok(path)
}

/// How many requests reach the Data API while one agent is asked for.
async fn count_calls(stage: &Stage, agents: &std::path::Path) -> Result<u32> {
    let password = Secret::new(uuid::Uuid::new_v4().simple().to_string());
    let user = stage.stack().create_user("bench@example.com", &password).await?;
    let token = stage.stack().user_token(&user)?;
    stage
        .admin
        .execute(
            "insert into public.project_members (project_id, user_id, role)
             select $1::text, id, 'owner' from auth.users where email = 'bench@example.com'",
            &[&PROJECT],
        )
        .await
        .context("make a member")?;
    let counter = Counter::start(&stage.stack().supabase_url()).await?;
    let url = format!("http://127.0.0.1:{}", counter.port);
    let env = [
        ("SUPABASE_URL", url.as_str()),
        (
            "SUPABASE_PUBLISHABLE_KEY",
            stage.stack().publishable_key().expose(),
        ),
    ];
    let headers = json!({
        "authorization": format!("Bearer {}", token.expose()),
        "content-type": "application/json",
        "x-clawdos-project": PROJECT,
    });
    let wish = json!({ "agentKey": "agent:asked:main" }).to_string();
    let asked = event("POST", "/agents/provision", &headers, Some(&wish));
    let (_, answer) = answer_one(agents, &env, &asked).await?;
    if answer["statusCode"] != json!(202) {
        bail!("the function refused: {answer}");
    }
    Ok(counter.requests.load(Ordering::Acquire))
}

/// Hands bytes on, and counts the requests in them.
struct Counter {
    port: u16,
    requests: Arc<AtomicU32>,
    _serving: AbortOnDropHandle<()>,
}

impl Counter {
    async fn start(url: &str) -> Result<Self> {
        let target = url
            .strip_prefix("http://")
            .context("read the Data API's address")?
            .to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listen")?;
        let port = listener.local_addr().context("listen")?.port();
        let requests = Arc::<AtomicU32>::default();
        let counted = requests.clone();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(hand_on(client, target.clone(), counted.clone()));
            }
        });
        Ok(Self {
            port,
            requests,
            _serving: AbortOnDropHandle::new(serving),
        })
    }
}

async fn hand_on(client: TcpStream, target: String, requests: Arc<AtomicU32>) -> std::io::Result<()> {
    let server = TcpStream::connect(target).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upwards = async {
        let (mut seen, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let count = from_client.read(&mut chunk).await?;
            if count == 0 {
                return to_server.shutdown().await;
            }
            // What was counted is cut off; a line may come in two pieces.
            seen.extend_from_slice(&chunk[..count]);
            while let Some(at) = seen
                .windows(REQUEST_LINE_END.len())
                .position(|part| part == REQUEST_LINE_END)
            {
                requests.fetch_add(1, Ordering::AcqRel);
                seen.drain(..at + REQUEST_LINE_END.len());
            }
            to_server.write_all(&chunk[..count]).await?;
        }
    };
    let downwards = async {
        tokio::io::copy(&mut from_server, &mut to_client)
            .await
            .map(|_| ())
    };
    tokio::try_join!(upwards, downwards)?;
    Ok(())
}
