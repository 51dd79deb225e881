//! A folder in which there is always something going on.

use std::sync::Arc;
use std::time::Duration;

use creel_core::status::DocType;
use creel_tests::wait::eventually;
use creel_worker::mirror::{Mirror, MirrorSettings};
use creel_worker::workspace::NoFaults;

use crate::scene::{HostRows, Scene};

/// A deleted file is believed after this long; each pass of the test is far shorter, each second other files are written.
const HOLD_AFTER: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_deleted_file_is_told_however_much_is_written_beside_it() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "words\n");
    stand.pass().await;
    let mut mirror = Mirror::new(MirrorSettings {
        rows: Arc::new(HostRows(stand.line.host.clone())),
        days: stand.clock.clone(),
        faults: Arc::new(NoFaults),
        hold_after: HOLD_AFTER,
        displaced_stays: Duration::from_secs(3_600),
        templates: Vec::new(),
    });
    std::fs::remove_file(stand.path("SOUL.md")).expect("remove");
    let mut number = 0;
    eventually("the document is held", Duration::from_secs(60), async || {
        number += 1;
        stand.write(&format!("other-{number}.txt"), "something else\n");
        mirror.pass(stand.wanted()).await.expect("a pass");
        stand.row(DocType::Soul).await.expect("a row").state == "held"
    })
    .await;
}
