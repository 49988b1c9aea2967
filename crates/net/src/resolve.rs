//! Addresses of names.

use std::{
    future::Future,
    net::{IpAddr, ToSocketAddrs as _},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::error::ResolveError;

/// How many look-ups the system is asked for at once. Each holds a thread until the system gives up.
const AT_ONCE: usize = 16;

/// Addresses being looked up.
pub type Resolving = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, ResolveError>> + Send>>;

/// Finds the addresses of names.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a name, at least one. It ends within a limit of its own, [`Resolve::limit`].
    fn resolve(&self, name: &str) -> Resolving;

    /// The longest a look-up takes.
    fn limit(&self) -> Duration {
        SystemResolver::LIMIT
    }
}

impl<F> Resolve for F
where
    F: Fn(&str) -> Resolving + Send + Sync + 'static,
{
    fn resolve(&self, name: &str) -> Resolving {
        self(name)
    }
}

/// The system's resolver: what `/etc/hosts` and the network's own name servers say.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    permits: Arc<Semaphore>,
}

impl SystemResolver {
    /// How long the system is waited for.
    pub const LIMIT: Duration = Duration::from_secs(5);
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let (name, permits) = (name.to_owned(), self.permits.clone());
        Box::pin(async move {
            let failed = |why: String| ResolveError::Failed {
                name: name.clone(),
                why,
            };
            let look_up = async {
                let permit = permits
                    .acquire_owned()
                    .await
                    .map_err(|error| failed(error.to_string()))?;
                let host = name.clone();
                // The permit stays with the thread: who stops waiting does not stop the look-up.
                let found = tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    (host.as_str(), 0)
                        .to_socket_addrs()
                        .map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
                });
                match found.await {
                    Ok(Ok(found)) if found.is_empty() => Err(failed("it has no address".into())),
                    Ok(Ok(found)) => Ok(found),
                    Ok(Err(error)) => Err(failed(error.to_string())),
                    Err(error) => Err(failed(error.to_string())),
                }
            };
            tokio::time::timeout(Self::LIMIT, look_up)
                .await
                .unwrap_or_else(|_| {
                    Err(ResolveError::TimedOut {
                        name: name.clone(),
                        limit: Self::LIMIT,
                    })
                })
        })
    }
}

/// The addresses of a host, which is a name or already an address.
pub(crate) async fn addresses(
    host: &str,
    resolver: &dyn Resolve,
) -> Result<Vec<IpAddr>, ResolveError> {
    match host.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => resolver.resolve(host).await,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_knows_localhost_and_not_what_cannot_exist() {
        let system = SystemResolver::default();
        let found = system.resolve("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
        // RFC 6761: `.invalid` never exists.
        let error = system.resolve("nowhere.invalid").await.unwrap_err();
        assert!(error.to_string().contains("nowhere.invalid"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_gets_no_turn_ends_in_time() {
        let system = SystemResolver::default();
        let _all = system.permits.clone().acquire_many_owned(16).await.unwrap();
        let error = system.resolve("localhost").await.unwrap_err();
        assert_eq!(
            error,
            ResolveError::TimedOut {
                name: "localhost".to_owned(),
                limit: SystemResolver::LIMIT
            }
        );
    }
}
