//! `creel worker uninstall`.

use std::time::Duration;

use serde_json::json;

use super::PlaceArgs;
use crate::output::Output;
use crate::service::ManagerKind;
use crate::service::launchd::{self, Launchd};
use crate::service::remove_unit;
use crate::service::systemd::{self, Systemd};

/// A drain may be configured to take an hour; who removes a service waits for it.
const STOP_LIMIT: Duration = Duration::from_secs(3_700);

/// Ends the service, and removes its file.
pub(super) async fn run(args: &PlaceArgs, out: Output) -> anyhow::Result<()> {
    let place = args.resolve()?;
    let (file, removed) = match place.manager {
        ManagerKind::Systemd => {
            let systemd = Systemd::find(place.domain)?;
            let file = systemd::unit_path(place.domain, &place.account);
            systemd.unload(STOP_LIMIT).await?;
            let removed = remove_unit(&file)?;
            systemd.forget().await?;
            (file, removed)
        }
        ManagerKind::Launchd => {
            let launchd = Launchd::find(place.domain, &place.account)?;
            let file = launchd::plist_path(place.domain, &place.account);
            launchd.unload(STOP_LIMIT).await?;
            let removed = remove_unit(&file)?;
            (file, removed)
        }
    };
    out.value(&json!({ "ok": true, "removed": removed, "file": file }));
    out.line(if removed {
        format!(
            "The service is gone ({}). Its agents go on running.",
            file.display()
        )
    } else {
        format!("There was no service ({}).", file.display())
    });
    Ok(())
}
