//! The administration page: the files of `web-ui/dist`, built into the program.
//!
//! The document stands at `/scep` and `/scep/intune`, its files under `/scep-ui/`, where no
//! profile's URL can be. A program built without `web-ui/dist` answers with how to build it.

use rust_embed::{EmbeddedFile, RustEmbed};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderName, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::path::FullPath;
use warp::reply::Response;

/// Nothing but this server's own files, no inline script or style, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const DOCUMENT: &str = "index.html";
const FILES: &str = "/scep-ui/";

/// Said by a program that was built before the page was.
const UNBUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>SCEP Administration</title><h1>SCEP Administration</h1>\
    <p>This program was built without the administration page. Build both with \
    <code>cargo xtask build</code>, or the page alone with <code>npm ci &amp;&amp; npm run build</code> \
    in <code>web-ui</code> and then the program again. SCEP and the admin API work without it.</p>\n";

#[derive(RustEmbed)]
#[folder = "web-ui/dist"]
#[allow_missing = true]
struct Dist;

/// Answers GET and HEAD of the page's document and files; rejects every other path.
pub fn page() -> BoxedFilter<(Response,)> {
    warp::path::full()
        .and_then(|path: FullPath| async move {
            match Asked::by(path.as_str()) {
                Some(asked) => Ok(asked),
                None => Err(warp::reject::not_found()),
            }
        })
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .map(|asked: Asked, method: Method, headers: HeaderMap| {
            answer(&asked, &method, &headers, Dist::get)
        })
        .boxed()
}

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// The document, whatever view it opens on.
    Document,
    /// One of its files, by its path in `dist`.
    File(String),
    /// The server's own address, where a browser may begin.
    Root,
}

impl Asked {
    fn by(path: &str) -> Option<Self> {
        if let Some(file) = path.strip_prefix(FILES) {
            return Some(Self::File(file.to_owned()));
        }
        match path.trim_end_matches('/') {
            "" => Some(Self::Root),
            "/scep" | "/scep/intune" => Some(Self::Document),
            _ => None,
        }
    }
}

fn answer(
    asked: &Asked,
    method: &Method,
    headers: &HeaderMap,
    find: impl Fn(&str) -> Option<EmbeddedFile>,
) -> Response {
    let mut response = if method != Method::GET && method != Method::HEAD {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        refusal
    } else {
        match asked {
            Asked::Root => {
                let mut elsewhere = plain(StatusCode::FOUND, "");
                let page = HeaderValue::from_static("/scep");
                elsewhere.headers_mut().insert(LOCATION, page);
                elsewhere
            }
            Asked::Document => file(DOCUMENT, headers, &find).unwrap_or_else(unbuilt),
            // The document has its own address; its name under the files is nobody's.
            Asked::File(name) if name == DOCUMENT => missing(),
            Asked::File(name) => file(name, headers, &find).unwrap_or_else(missing),
        }
    };
    if method == Method::HEAD {
        *response.body_mut() = "".into();
    }
    protect(response.headers_mut());
    response
}

fn file(
    name: &str,
    headers: &HeaderMap,
    find: impl Fn(&str) -> Option<EmbeddedFile>,
) -> Option<Response> {
    // Packed copies are served in place of their files, never by their own names.
    if name.ends_with(".gz") {
        return None;
    }
    let plain = find(name)?;
    let tag = format!("\"{}\"", hex::encode(&plain.metadata.sha256_hash()[..16]));
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|tags| tags.split(',').any(|known| known.trim() == tag));
    let packed = accepts_gzip(headers)
        .then(|| find(&format!("{name}.gz")))
        .flatten();

    let mut response = Response::new("".into());
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static(caching(name)));
    fields.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(ETAG, tag);
    }
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(response);
    }
    if packed.is_some() {
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let body = packed.unwrap_or(plain).data.into_owned();
    *response.body_mut() = body.into();
    Some(response)
}

/// Whether gzip is among the accepted encodings and not refused by `q=0`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|q| matches!(q, "q=0" | "q=0.0"))
        })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Files under `assets/` carry their digest in their name; the rest is asked for each time.
fn caching(name: &str) -> &'static str {
    if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn unbuilt() -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, UNBUILT);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

fn missing() -> Response {
    plain(
        StatusCode::NOT_FOUND,
        "the page has no such file: it may be of another version, reload it\n",
    )
}

fn plain(status: StatusCode, words: &'static str) -> Response {
    let mut response = Response::new(words.into());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn protect(headers: &mut HeaderMap) {
    let fixed: [(HeaderName, &'static str); 7] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use rust_embed::Metadata;
    use std::borrow::Cow;

    fn built(name: &str) -> Option<EmbeddedFile> {
        let data: &'static [u8] = match name {
            "index.html" => b"<!doctype html>page",
            "assets/a-1.js" => b"script",
            "assets/a-1.js.gz" => b"packed",
            _ => return None,
        };
        let digest = [name.len() as u8; 32];
        Some(EmbeddedFile {
            data: Cow::Borrowed(data),
            metadata: Metadata::__rust_embed_new(digest, None, None),
        })
    }

    fn ask(path: &str, headers: &[(HeaderName, &'static str)]) -> Response {
        let asked = Asked::by(path).expect("a path of the page");
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        answer(&asked, &Method::GET, &headers, built)
    }

    fn field(response: &Response, name: impl AsRef<str>) -> &str {
        let value = response.headers().get(name.as_ref());
        value.map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn the_document_is_asked_for_each_time_and_its_files_once() {
        for path in ["/scep", "/scep/", "/scep/intune"] {
            let document = ask(path, &[]);
            assert_eq!(document.status(), StatusCode::OK, "{path}");
            assert_eq!(field(&document, CONTENT_TYPE), "text/html; charset=utf-8");
            assert_eq!(field(&document, CACHE_CONTROL), "no-cache");
        }
        let script = ask("/scep-ui/assets/a-1.js", &[]);
        assert_eq!(
            field(&script, CONTENT_TYPE),
            "text/javascript; charset=utf-8"
        );
        assert!(field(&script, CACHE_CONTROL).contains("immutable"));
        assert_eq!(field(&script, CONTENT_ENCODING), "");
    }

    #[test]
    fn every_answer_forbids_inline_script_and_frames() {
        for path in ["/scep", "/scep-ui/assets/a-1.js", "/scep-ui/absent", "/"] {
            let response = ask(path, &[]);
            let policy = field(&response, CONTENT_SECURITY_POLICY).to_owned();
            assert!(policy.contains("script-src 'self';"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}");
            assert!(!policy.contains("unsafe"), "{path}: {policy}");
            assert_eq!(field(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
        }
    }

    #[test]
    fn a_known_tag_needs_no_body() {
        let tag = field(&ask("/scep", &[]), ETAG).to_owned();
        let tag: &'static str = Box::leak(tag.into_boxed_str());
        let again = ask("/scep", &[(IF_NONE_MATCH, tag)]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = ask("/scep", &[(IF_NONE_MATCH, "\"other\"")]);
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn packed_copies_go_to_those_who_accept_them() {
        let path = "/scep-ui/assets/a-1.js";
        for (offer, encoding) in [
            ("gzip, deflate, br", "gzip"),
            ("br;q=1, gzip;q=0.5", "gzip"),
            ("gzip;q=0", ""),
            ("identity", ""),
        ] {
            let response = ask(path, &[(ACCEPT_ENCODING, offer)]);
            assert_eq!(field(&response, CONTENT_ENCODING), encoding, "{offer}");
        }
        let by_name = ask("/scep-ui/assets/a-1.js.gz", &[]);
        assert_eq!(by_name.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn other_methods_and_other_paths_are_refused() {
        let asked = Asked::by("/scep").unwrap();
        let response = answer(&asked, &Method::DELETE, &HeaderMap::new(), built);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(field(&response, ALLOW), "GET, HEAD");
        for path in ["/scep/corp", "/scep/intune/x", "/api/v1/audit", "/scep-uix"] {
            assert_eq!(Asked::by(path), None, "{path}");
        }
        assert_eq!(
            ask("/scep-ui/index.html", &[]).status(),
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn without_the_page_the_program_says_how_to_build_it() {
        let response = answer(&Asked::Document, &Method::GET, &HeaderMap::new(), |_| None);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
