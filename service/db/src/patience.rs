//! How long one request may wait for MySQL, all its queries together.
//!
//! Invariant: outside [`for_request`] each query has the whole time for itself.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

tokio::task_local! {
    /// What the queries of this request have waited already.
    static WAITED: Cell<Duration>;
}

/// Runs a request's work with one account of waiting for all its queries.
pub async fn for_request<T>(work: impl Future<Output = T>) -> T {
    WAITED.scope(Cell::new(Duration::ZERO), work).await
}

/// Waits for a query as long as is left of `limit`; `None` when that is over.
pub(super) async fn wait<T>(limit: Duration, query: impl Future<Output = T>) -> Option<T> {
    let waited = WAITED.try_with(Cell::get).unwrap_or_default();
    let begun = Instant::now();
    let answer = timeout(limit.saturating_sub(waited), query).await.ok();
    // Outside of a request there is nobody to tell.
    let _ = WAITED.try_with(|total| total.set(waited + begun.elapsed()));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(1000);

    /// How long a query that never ends is waited for.
    async fn endless() -> Duration {
        let begun = Instant::now();
        assert!(wait(LIMIT, std::future::pending::<()>()).await.is_none());
        begun.elapsed()
    }

    async fn query(duration_ms: u64) -> Option<()> {
        wait(LIMIT, tokio::time::sleep(Duration::from_millis(duration_ms))).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_queries_of_a_request_share_its_patience() {
        for_request(async {
            assert!(query(700).await.is_some());
            assert!((299..=301).contains(&endless().await.as_millis()));
            assert_eq!(endless().await, Duration::ZERO);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn outside_of_a_request_each_query_has_its_own() {
        assert!(query(700).await.is_some());
        assert_eq!(endless().await, LIMIT);
    }
}
