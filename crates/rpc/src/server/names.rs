//! Which names a browser may use a port by, and which pages.
//!
//! A page of a stranger can make a name of his resolve to this machine (DNS rebinding); the browser then takes the answers to
//! be the stranger's own. The name stands in the `Host` header, so requests under unknown names are refused. The page itself
//! stands in the `Origin` header: browsers keep answers from pages that the answer does not allow, except on WebSockets, where
//! we must look ourselves.

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, ORIGIN};
use std::net::IpAddr;

/// Names that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedNames {
    /// All.
    Any,
    /// These. Of hosts: without port, in any case (letters); of origins: as browsers write them, with scheme and port.
    Only(Vec<String>),
}

impl AllowedNames {
    /// Reads a list with commas, in which `*` is all.
    pub fn from_list(list: &str) -> Self {
        let names: Vec<String> =
            list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
        if names.iter().any(|name| name == "*") { Self::Any } else { Self::Only(names) }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)),
        }
    }

    /// Whether a request may come under the name of its `Host` header. Addresses cannot be rebound; who sends no name is no
    /// browser.
    pub(crate) fn allows_host(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || self.has(name)
    }

    /// Whether a WebSocket may be opened by a page: by one of this machine, or by one that is allowed.
    pub(crate) fn allows_websocket_of(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return *self == Self::Any };
        let is_local = origin.parse::<Uri>().ok().and_then(|uri| {
            let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
            Some(host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
        });
        is_local.unwrap_or(false) || self.has(origin)
    }

    /// What the answer to a page says in `Access-Control-Allow-Origin`, if anything.
    pub(crate) fn cors_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let origin = headers.get(ORIGIN)?.to_str().ok()?;
        match self {
            Self::Any => Some("*"),
            Self::Only(_) => self.has(origin).then_some(origin),
        }
    }
}

/// A header as text, if it is there once.
pub(crate) fn text_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn page(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_str(origin).unwrap())])
    }

    #[test]
    fn names_that_can_be_rebound_are_refused() {
        let none = AllowedNames::Only(vec![]);
        for host in ["127.0.0.1", "127.0.0.1:8545", "[::1]", "[::1]:8545", "localhost", "LOCALHOST:8545", "10.1.2.3"] {
            assert!(none.allows_host(Some(host)), "{host}");
        }
        for host in ["evil.example", "evil.example:8545", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!none.allows_host(Some(host)), "{host}");
        }
        let one = AllowedNames::from_list("node.example, Other.example");
        assert!(one.allows_host(Some("NODE.example:1")) && one.allows_host(Some("other.example")));
        assert!(AllowedNames::from_list("a,*").allows_host(Some("evil.example")));
    }

    #[test]
    fn pages_are_allowed_by_name() {
        let one = AllowedNames::from_list("https://app.example");
        assert_eq!(one.cors_origin(&page("https://app.example")), Some("https://app.example"));
        assert_eq!(one.cors_origin(&page("https://evil.example")), None);
        assert_eq!(AllowedNames::Any.cors_origin(&page("https://evil.example")), Some("*"));
        assert_eq!(AllowedNames::Any.cors_origin(&HeaderMap::new()), None);
        for origin in ["https://app.example", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:5"] {
            assert!(one.allows_websocket_of(&page(origin)), "{origin}");
        }
        for origin in ["https://evil.example", "null", "http://localhost.evil.example", "file://"] {
            assert!(!one.allows_websocket_of(&page(origin)), "{origin}");
        }
        assert!(one.allows_websocket_of(&HeaderMap::new()));
    }
}
