//! The database is migrated under a worker that is at work.

use crate::fixture::{SCOUT, Stage};

#[tokio::test]
async fn a_function_that_is_replaced_by_one_with_another_type_is_called_on() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started().await;
    // So often that the worker has the statement prepared.
    for key in [SCOUT, "agent:second:main", "agent:third:main"] {
        let id = stage.request(key).await;
        stage.done(id).await;
    }
    stage
        .run(
            "alter function public.claim(jsonb) rename to claim_before;
             create function public.claim(jsonb) returns jsonb language sql security definer set search_path = ''
               as 'select public.claim_before($1)::jsonb';
             grant execute on function public.claim(jsonb) to creel_host;",
        )
        .await;
    let id = stage.request("agent:fourth:main").await;
    stage.done(id).await;
}
