//! Makes the OpenAPI document of the route table, the types, `frame.yaml` and `examples.yaml`, and holds `api/openapi.yaml`
//! equal to it. With `SCEPD_WRITE_OPENAPI=1` it is written instead (`cargo xtask openapi`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod document;
mod node;

use node::Node;

#[test]
fn the_committed_document_is_what_table_and_types_make() {
    let made = document::text();
    if std::env::var_os("SCEPD_WRITE_OPENAPI").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml");
        std::fs::write(path, made).expect("api/openapi.yaml can be written");
        return;
    }
    let differs = api::OPENAPI
        .lines()
        .zip(made.lines())
        .position(|(committed, made)| committed != made);
    assert_eq!(
        differs, None,
        "the line before which api/openapi.yaml is old: run `cargo xtask openapi`"
    );
    assert_eq!(
        api::OPENAPI,
        made,
        "api/openapi.yaml is old: run `cargo xtask openapi`"
    );
}

#[test]
fn every_example_fits_its_schema() {
    let document = document::made();
    let mut seen = 0;
    let mut check = |place: &str, body: &Node| {
        let Some(media) = body.get("content").and_then(|c| c.get("application/json")) else {
            return;
        };
        let example = media
            .get("example")
            .unwrap_or_else(|| panic!("{place}: no example"));
        fits(&document, media.at(&["schema"]), example, place);
        seen += 1;
    };
    for (path, item) in document.at(&["paths"]).members() {
        for (method, operation) in item.members() {
            if let Some(body) = operation.get("requestBody") {
                check(&format!("{method} {path} body"), body);
            }
            for (status, response) in operation.at(&["responses"]).members() {
                let place = format!("{method} {path} {status}");
                check(&place, resolve(&document, response));
            }
        }
    }
    assert!(seen > 50, "only {seen} examples");
}

/// What a `$ref` points to, or the node itself.
fn resolve<'n>(document: &'n Node, node: &'n Node) -> &'n Node {
    match node.get("$ref").and_then(Node::text) {
        Some(reference) => {
            let path: Vec<&str> = reference.trim_start_matches("#/").split('/').collect();
            document.at(&path)
        }
        None => node,
    }
}

/// Checks a value against its schema, down to the leaves.
fn fits(document: &Node, schema: &Node, value: &Node, place: &str) {
    let schema = resolve(document, schema);
    if let Some(allowed) = schema.get("enum") {
        assert!(allowed.items().contains(value), "{place}: {value:?}");
        return;
    }
    let expected = schema.at(&["type"]).text().unwrap();
    let actual = match value {
        Node::Bool(_) => "boolean",
        Node::Int(_) => "integer",
        Node::Text(_) => "string",
        Node::List(_) => "array",
        Node::Map(_) => "object",
        Node::Null => "null",
    };
    assert_eq!(expected, actual, "{place}");
    for item in value.items() {
        fits(document, schema.at(&["items"]), item, place);
    }
    for name in schema.get("required").map(Node::texts).unwrap_or_default() {
        assert!(value.get(name).is_some(), "{place}: {name} is missing");
    }
    for (name, member) in value.members() {
        let place = format!("{place}.{name}");
        let described = schema.get("properties").and_then(|p| p.get(name));
        match (described, schema.get("additionalProperties")) {
            (Some(property), _) => fits(document, property, member, &place),
            (None, Some(other @ Node::Map(_))) => fits(document, other, member, &place),
            (None, other) => assert_eq!(other, Some(&Node::Bool(true)), "{place} is not described"),
        }
    }
}

#[test]
fn everything_is_described() {
    let document = document::made();
    let mut missing = Vec::new();
    let mut need = |place: String, node: &Node| {
        let text = node.get("description").and_then(Node::text);
        if text.is_none_or(|t| t.trim().is_empty()) {
            missing.push(place);
        }
    };
    for (path, item) in document.at(&["paths"]).members() {
        for (method, operation) in item.members() {
            need(format!("{method} {path}"), operation);
            let parameters = operation.get("parameters").map(Node::items);
            for parameter in parameters.unwrap_or_default() {
                let place = format!("{method} {path} parameter");
                need(place, resolve(&document, parameter));
            }
            for (status, response) in operation.at(&["responses"]).members() {
                let place = format!("{method} {path} {status}");
                need(place, resolve(&document, response));
            }
        }
    }
    for (name, schema) in document.at(&["components", "schemas"]).members() {
        need(name.clone(), schema);
        let properties = schema.get("properties").map(Node::members);
        for (member, property) in properties.unwrap_or_default() {
            need(format!("{name}.{member}"), property);
        }
    }
    assert!(missing.is_empty(), "no description: {missing:#?}");
}

#[test]
fn every_change_under_the_pages_cookie_needs_its_csrf_token() {
    let document = document::made();
    for route in api::ROUTES {
        let method = route.method.as_str().to_lowercase();
        let operation = document.at(&["paths", route.path, &method]);
        let security = operation
            .get("security")
            .unwrap_or_else(|| document.at(&["security"]));
        if route.method.changes() && route.permission != api::Permission::Public {
            let by_cookie = security
                .items()
                .iter()
                .filter(|s| s.get("session").is_some());
            assert!(by_cookie.clone().count() > 0, "{}", route.path);
            by_cookie.for_each(|s| assert!(s.get("csrf").is_some(), "{}", route.path));
        }
    }
}
