//! Holds the route table, the Rust types and the OpenAPI document against one another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod node;
mod samples;

use std::collections::BTreeMap;

use api::{
    AuditQuery, CertificateQuery, ChallengeQuery, DownloadQuery, Permission, ROUTES, RequestQuery,
    TimelineQuery,
};
use node::Node;
use samples::{Sample, Shape};

fn document() -> Node {
    serde_saphyr::from_str(api::OPENAPI).expect("openapi.yaml is YAML")
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

#[test]
fn the_document_has_the_routes_of_the_table_and_no_others() {
    let document = document();
    let mut documented = Vec::new();
    for (path, item) in document.at(&["paths"]).members() {
        for (method, operation) in item.members() {
            let id = operation.at(&["operationId"]).text().unwrap();
            documented.push(format!("{} {path} {id}", method.to_uppercase()));
        }
    }
    let mut routes: Vec<String> = ROUTES
        .iter()
        .map(|r| format!("{} {} {}", r.method, r.path, r.operation.id()))
        .collect();
    documented.sort();
    routes.sort();
    assert_eq!(routes, documented);
}

#[test]
fn each_operation_says_who_may_call_it() {
    let document = document();
    for route in ROUTES {
        let id = route.operation.id();
        let operation = document.at(&["paths", route.path, &route.method.as_str().to_lowercase()]);
        let security = operation
            .get("security")
            .unwrap_or_else(|| document.at(&["security"]));
        let statuses = operation.at(&["responses"]).keys();
        match route.permission {
            Permission::Public => assert!(security.items().is_empty(), "{id}"),
            Permission::Metrics => assert!(security.items().contains(&Node::Map(vec![])), "{id}"),
            Permission::SignedIn | Permission::Admin | Permission::Challenge => {
                assert!(!security.items().is_empty(), "{id}");
                assert!(statuses.contains(&"401"), "{id}");
            }
        }
        if matches!(route.permission, Permission::Admin | Permission::Challenge) {
            assert!(statuses.contains(&"403"), "{id}");
        }
        if route.method.changes() && route.permission != Permission::Public {
            let by_cookie = security
                .items()
                .iter()
                .filter(|s| s.get("session").is_some());
            assert!(by_cookie.clone().count() > 0, "{id}");
            by_cookie.for_each(|s| assert!(s.get("csrf").is_some(), "{id}"));
        }
    }
}

#[test]
fn each_schema_is_the_rust_type_member_by_member_in_order() {
    let document = document();
    let schemas = document.at(&["components", "schemas"]);
    let samples = samples::all();
    let names: Vec<&str> = samples.iter().map(|s| s.schema).collect();
    assert_eq!(schemas.keys(), names);
    for Sample { schema, shape, .. } in &samples {
        let described = schemas.at(&[schema]);
        match shape {
            Shape::Object { full, least } => {
                let properties = described.at(&["properties"]);
                assert_eq!(properties.keys(), full.keys(), "{schema}");
                let required = described.get("required").map(Node::texts);
                assert_eq!(
                    required.unwrap_or_default(),
                    least.keys(),
                    "{schema}: required"
                );
                for (name, property) in properties.members() {
                    let place = format!("{schema}.{name}");
                    fits(&document, property, full.at(&[name]), &place);
                }
            }
            Shape::Enumeration(values) => {
                assert_eq!(described.at(&["enum"]).items(), values, "{schema}");
            }
            Shape::Map => {
                assert!(described.get("additionalProperties").is_some(), "{schema}");
            }
        }
    }
}

/// Checks a value's JSON type against its description, down to the leaves.
fn fits(document: &Node, property: &Node, value: &Node, place: &str) {
    let schema = resolve(document, property);
    if schema.get("enum").is_some() {
        let allowed = schema.at(&["enum"]).items();
        assert!(allowed.contains(value), "{place}: {value:?}");
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
    if let Node::List(items) = value {
        for item in items {
            fits(document, schema.at(&["items"]), item, place);
        }
    }
    if let Some(properties) = schema.get("properties") {
        for (name, member) in value.members() {
            fits(document, properties.at(&[name]), member, place);
        }
    }
}

#[test]
fn every_example_reads_as_its_type_and_is_written_back_the_same() {
    let document = document();
    let rounds: BTreeMap<&str, samples::Round> = samples::all()
        .into_iter()
        .map(|s| (s.schema, s.round))
        .collect();
    let mut seen = 0;
    let mut check = |place: &str, body: &Node| {
        let Some(media) = body.get("content").and_then(|c| c.get("application/json")) else {
            return;
        };
        let reference = media.at(&["schema", "$ref"]).text().unwrap();
        let schema = reference.rsplit('/').next().unwrap();
        let example = media
            .get("example")
            .unwrap_or_else(|| panic!("{place}: no example"));
        let again = rounds[schema](example).unwrap_or_else(|e| panic!("{place}: {e}"));
        assert_eq!(&again, example, "{place}");
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

#[test]
fn queries_are_documented_parameter_by_parameter() {
    let document = document();
    let queries = [
        ("/api/v1/audit", Node::of(&AuditQuery::default())),
        (
            "/api/v1/admin/certificates",
            Node::of(&CertificateQuery::default()),
        ),
        (
            "/api/v1/admin/scep/requests",
            Node::of(&RequestQuery::default()),
        ),
        ("/api/v1/challenges", Node::of(&ChallengeQuery::default())),
        (
            "/api/v1/admin/timeline",
            Node::of(&TimelineQuery::default()),
        ),
        (
            "/api/v1/admin/certificates/{issuer_id}/{serial}/download",
            Node::of(&DownloadQuery::default()),
        ),
    ];
    for (path, item) in document.at(&["paths"]).members() {
        for (method, operation) in item.members() {
            let parameters: Vec<&Node> = operation
                .get("parameters")
                .map(|p| p.items().iter().map(|p| resolve(&document, p)).collect())
                .unwrap_or_default();
            let by_place = |place: &str| -> Vec<&str> {
                let here = parameters
                    .iter()
                    .filter(|p| p.at(&["in"]).text() == Some(place));
                here.map(|p| p.at(&["name"]).text().unwrap()).collect()
            };
            let query = queries.iter().find(|(p, _)| p == path && method == "get");
            let expected = query.map(|(_, node)| node.keys()).unwrap_or_default();
            assert_eq!(by_place("query"), expected, "{method} {path}");
            let in_path: Vec<&str> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            assert_eq!(by_place("path"), in_path, "{method} {path}");
        }
    }
}

#[test]
fn everything_is_described() {
    let document = document();
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
            assert!(operation.get("summary").is_some(), "{method} {path}");
            for parameter in operation
                .get("parameters")
                .map(Node::items)
                .unwrap_or_default()
            {
                need(
                    format!("{method} {path} parameter"),
                    resolve(&document, parameter),
                );
            }
            for (status, response) in operation.at(&["responses"]).members() {
                need(
                    format!("{method} {path} {status}"),
                    resolve(&document, response),
                );
            }
        }
    }
    for (name, schema) in document.at(&["components", "schemas"]).members() {
        need(name.clone(), schema);
        for (member, property) in schema
            .get("properties")
            .map(Node::members)
            .unwrap_or_default()
        {
            need(format!("{name}.{member}"), property);
        }
    }
    assert!(missing.is_empty(), "no description: {missing:#?}");
}
