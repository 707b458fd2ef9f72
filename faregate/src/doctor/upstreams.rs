//! Whether something listens where the upstreams are, as seen from here. Nothing is sent: a connection is made and closed.

use std::io;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use registry::Config;
use reqwest::Url;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;

/// How long a connection is waited for.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Connections that are tried at the same time.
const CONNECTIONS_MAX: usize = 16;

/// Where a server of a provider listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    provider: String,
    host: String,
    port: u16,
    /// It stands in the configuration file, and not only in a provider's own document.
    of_file: bool,
}

/// Those of a file. Nothing is sent to a provider that is suspended, and nobody looks.
pub(super) fn of_file(config: &Config) -> Vec<Upstream> {
    let served = config.catalog.providers.iter().filter(|provider| !provider.suspended);
    let upstreams = served.flat_map(|provider| {
        provider.upstream.addresses.iter().map(|address| Upstream {
            provider: provider.name.to_string(),
            host: address.host.clone(),
            port: address.port,
            of_file: true,
        })
    });
    upstreams.collect()
}

/// Those of a page of the management API's providers.
pub(super) fn of_page(page: &Value) -> Vec<Upstream> {
    let providers = page["data"].as_array().into_iter().flatten();
    let served = providers.filter(|provider| provider["suspended"] != Value::Bool(true));
    let upstreams = served.flat_map(|provider| {
        let addresses = provider["document"]["upstream"]["addresses"].as_array().into_iter().flatten();
        addresses.filter_map(|address| {
            let url = Url::parse(address.as_str()?).ok()?;
            let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = provider["name"].as_str()?.to_owned();
            let of_file = provider["managed_by"] == "file";
            Some(Upstream { provider: name, host, port: url.port_or_known_default()?, of_file })
        })
    });
    upstreams.collect()
}

/// A finding for each, in their order.
pub(super) async fn examine(upstreams: Vec<Upstream>) -> Vec<Finding> {
    stream::iter(upstreams).map(Upstream::finding).buffered(CONNECTIONS_MAX).collect().await
}

// === impl Upstream ===

impl Upstream {
    async fn finding(self) -> Finding {
        let Self { provider, host, port, of_file } = &self;
        let connected = timeout(CONNECT_MAX, TcpStream::connect((host.as_str(), *port))).await;
        let reason = match connected {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(io::Error::from(io::ErrorKind::TimedOut)),
        };
        let shown = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let wrong = reason.map(|error| {
            format!("no connection from here ({error}): does it run, and does the provider's document name the right address?")
        });
        let what = format!("upstream {provider} {shown}");
        if *of_file { Finding::new(&what, wrong) } else { Finding::told(&what, wrong) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use registry::Environment;
    use serde_json::json;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn upstream(provider: &str, host: &str, port: u16) -> Upstream {
        Upstream { provider: provider.to_owned(), host: host.to_owned(), port, of_file: true }
    }

    #[test]
    fn upstreams_are_read_from_the_file_and_from_the_api() {
        let file = "[[providers]]\nname = \"a\"\nupstream = { addresses = [\"http://[::1]:9\", \"http://x.example\"] }\n\
                    [[providers]]\nname = \"b\"\nsuspended = true\nupstream = { addresses = [\"http://127.0.0.1:7\"] }\n";
        let config = Config::parse(Path::new("f.toml"), file, &Environment::default()).unwrap().config;
        assert_eq!(of_file(&config), [upstream("a", "::1", 9), upstream("a", "x.example", 80)]);
        let provider = |name: &str, suspended: bool, address: &str| json!({ "name": name, "managed_by": "file", "suspended": suspended, "document": { "upstream": { "addresses": [address] } } });
        let page = json!({ "data": [
            provider("a", false, "https://x.example"), provider("b", true, "http://x.example"),
            provider("c", false, "http://[::1]:9"),
        ] });
        assert_eq!(of_page(&page), [upstream("a", "x.example", 443), upstream("c", "::1", 9)]);
    }

    #[tokio::test]
    async fn an_upstream_that_does_not_listen_is_told_and_nothing_is_sent_to_one_that_does() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let well = examine(vec![upstream("acme", "127.0.0.1", port)]).await.remove(0);
        assert_eq!((well.what, well.wrong), (format!("upstream acme 127.0.0.1:{port}"), None));
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, b"");
        // A port that is taken and where nobody listens.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = silent.local_addr().unwrap().port();
        let ill = examine(vec![upstream("acme", "127.0.0.1", port)]).await.remove(0);
        assert!(ill.wrong.unwrap().starts_with("no connection from here"));
        for (of_file, well) in [(true, false), (false, true)] {
            let findings = examine(vec![Upstream { of_file, ..upstream("acme", "127.0.0.1", port) }]).await;
            assert_eq!(
                (findings[0].wrong.is_some(), crate::doctor::finding::healthy(&findings)),
                (true, well)
            );
        }
    }
}
