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
    /// These, and of origins also pages of this machine and extensions of the browser (wallets).
    LocalAnd(Vec<String>),
}

/// How origins of a browser's extensions begin.
const EXTENSIONS: [&str; 2] = ["chrome-extension://", "moz-extension://"];

impl AllowedNames {
    /// Reads a list with commas, in which `*` is all.
    pub fn from_list(list: &str) -> Self {
        let names: Vec<String> =
            list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
        if names.iter().any(|name| name == "*") { Self::Any } else { Self::Only(names) }
    }

    /// Origins of this machine and of extensions, and those of a list, in which `*` is all.
    pub fn local_and(list: &[String]) -> Self {
        match Self::from_list(&list.join(",")) {
            Self::Only(names) => Self::LocalAnd(names),
            all => all,
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) | Self::LocalAnd(names) => names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)),
        }
    }

    /// Whether a page may use the port.
    fn has_origin(&self, origin: &str) -> bool {
        let is_near = is_local(origin) || EXTENSIONS.iter().any(|scheme| origin.starts_with(scheme));
        (is_near && matches!(self, Self::LocalAnd(_))) || self.has(origin)
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
        is_local(origin) || self.has_origin(origin)
    }

    /// What the answer to a page says in `Access-Control-Allow-Origin`, if anything.
    pub(crate) fn cors_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let origin = headers.get(ORIGIN)?.to_str().ok()?;
        match self {
            Self::Any => Some("*"),
            Self::Only(_) | Self::LocalAnd(_) => self.has_origin(origin).then_some(origin),
        }
    }
}

/// Whether a page is of this machine.
fn is_local(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
        // What looks like an address or this machine to somebody else.
        for host in [
            "127.0.0.1@evil.example",
            "evil.example#127.0.0.1",
            "localhost.",
            "127.0.0.1.",
            "2130706433",
            "0177.0.0.1",
            "0x7f.1",
            "127.1",
            "[::1]evil.example",
            "[::1%25evil.example]",
            "::1",
            "localhost:80:80",
            "local\u{440}ost",
        ] {
            assert!(!none.allows_host(Some(host)), "{host}");
        }
        let one = AllowedNames::from_list("node.example, Other.example");
        assert!(one.allows_host(Some("NODE.example:1")) && one.allows_host(Some("other.example")));
        assert!(AllowedNames::from_list("a,*").allows_host(Some("evil.example")));
    }

    #[test]
    fn pages_of_this_machine_and_extensions_are_near() {
        let near = AllowedNames::local_and(&["https://app.example".to_owned()]);
        let allowed = [
            "http://localhost:3000",
            "https://localhost",
            "http://127.0.0.1:5173",
            "http://[::1]:8080",
            "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn",
            "moz-extension://0a1b2c3d-0000-4000-8000-000000000000",
            "https://app.example",
        ];
        for origin in allowed {
            assert_eq!(near.cors_origin(&page(origin)), Some(origin));
            assert!(near.allows_websocket_of(&page(origin)), "{origin}");
        }
        let refused = [
            "https://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://192.168.1.5",
            "https://chrome-extension.example",
            "null",
            "",
            "http://localhost@evil.example",
            "http://localhost:80@evil.example",
            "http://evil.example/localhost",
            "http://evil.example#localhost",
            "http://localhost.",
            "http://2130706433",
            "http://[::1%25lo]",
            "localhost.evil.example:3000",
            "x-chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn",
        ];
        for origin in refused {
            assert_eq!(near.cors_origin(&page(origin)), None);
            assert!(!near.allows_websocket_of(&page(origin)), "{origin}");
        }
        assert!(near.allows_websocket_of(&HeaderMap::new()));
        assert_eq!(AllowedNames::local_and(&["*".to_owned()]), AllowedNames::Any);
        // Elsewhere extensions are pages like others.
        assert_eq!(AllowedNames::Only(vec![]).cors_origin(&page("http://localhost:3000")), None);
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
