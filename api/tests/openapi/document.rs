//! The document, made.

use std::collections::BTreeMap;

use api::{Also, Endpoint, ErrorReply, Operation, Permission, Route, Tag, Visitor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

use crate::node::Node;

/// The document as it is committed.
pub(crate) fn text() -> String {
    let yaml = serde_saphyr::to_string(&made()).expect("a tree can be written");
    format!(
        "# Made by `cargo xtask openapi` of api/src/routes/table.rs and the types that it names.\n{yaml}"
    )
}

/// The document as a tree.
pub(crate) fn made() -> Node {
    let mut parts = Parts {
        examples: read(include_str!("examples.yaml")),
        paths: Vec::new(),
        schemas: Vec::new(),
    };
    parts.schema::<ErrorReply>();
    api::visit(&mut parts);
    let Node::Map(frame) = read(include_str!("frame.yaml")) else {
        panic!("frame.yaml is no map");
    };
    let mut document = Vec::new();
    for (name, mut part) in frame {
        if let (true, Node::Map(components)) = (name == "components", &mut part) {
            let paths = std::mem::take(&mut parts.paths);
            document.push(member("paths", Node::Map(paths)));
            let schemas = std::mem::take(&mut parts.schemas);
            components.push(member("schemas", Node::Map(schemas)));
        }
        document.push((name, part));
    }
    Node::Map(document)
}

fn read(yaml: &str) -> Node {
    serde_saphyr::from_str(yaml).expect("a file beside this one is YAML")
}

fn member(name: &str, node: Node) -> (String, Node) {
    (name.to_owned(), node)
}

fn map<const N: usize>(members: [(&str, Node); N]) -> Node {
    Node::Map(members.map(|(name, node)| member(name, node)).into())
}

fn text_of(text: &str) -> Node {
    Node::Text(text.to_owned())
}

fn reference(place: &str, name: &str) -> Node {
    map([("$ref", text_of(&format!("#/components/{place}/{name}")))])
}

/// What has been made so far.
struct Parts {
    examples: Node,
    paths: Vec<(String, Node)>,
    schemas: Vec<(String, Node)>,
}

impl Visitor for Parts {
    fn visit<E: Endpoint>(&mut self) {
        let route = E::ROUTE;
        let mut operation = vec![
            member("operationId", text_of(route.operation.id())),
            member("tags", Node::List(vec![text_of(tag(route.tag))])),
            member("summary", text_of(route.docs[0].trim())),
            member(
                "description",
                text_of(&paragraphs(&route.docs[1..].join("\n"))),
            ),
        ];
        if let Some(security) = security(&route) {
            operation.push(member("security", security));
        }
        let query = E::Query::into_params(|| Some(ParameterIn::Query));
        let takes = !query.is_empty() || is_some::<E::Body>();
        let in_path = in_path(&route).map(|name| reference("parameters", name));
        let query = query.iter().map(|one| parameter(Node::of(one)));
        let parameters: Vec<Node> = in_path.chain(query).collect();
        if !parameters.is_empty() {
            operation.push(member("parameters", Node::List(parameters)));
        }
        if is_some::<E::Body>() {
            self.schema::<E::Body>();
            // Where nothing need be said, the body may be left out.
            let required = serde_json::from_str::<E::Body>("{}").is_err();
            let example = self.example::<E::Body>(&route, "body");
            operation.push(member(
                "requestBody",
                map([
                    ("required", Node::Bool(required)),
                    ("content", json(&E::Body::name(), example)),
                ]),
            ));
        }
        let answers = self.answers::<E>(&route, takes);
        operation.push(member("responses", answers));
        let method = route.method.as_str().to_lowercase();
        let operation = (method, Node::Map(operation));
        match self.paths.iter_mut().find(|(path, _)| path == route.path) {
            Some((_, Node::Map(item))) => item.push(operation),
            _ => self
                .paths
                .push(member(route.path, Node::Map(vec![operation]))),
        }
    }
}

impl Parts {
    /// Every answer of an operation, by status.
    fn answers<E: Endpoint>(&mut self, route: &Route, takes: bool) -> Node {
        let mut answers = BTreeMap::new();
        let shared = |name| reference("responses", name);
        if takes {
            answers.insert(400, shared("BadRequest"));
        }
        if route.permission != Permission::Public {
            answers.insert(401, shared("Unauthenticated"));
            answers.insert(429, shared("TooMany"));
        }
        let by_role = matches!(
            route.permission,
            Permission::Admin | Permission::Challenge | Permission::Metrics
        );
        if by_role || (route.permission == Permission::SignedIn && route.method.changes()) {
            answers.insert(403, shared("Forbidden"));
        }
        for also in route.also {
            let (status, answer) = match also {
                Also::Accepted(words) => (202, self.answer::<E::Reply>(route, words, "202")),
                Also::Unauthenticated => (401, shared("Unauthenticated")),
                Also::NotFound => (404, shared("NotFound")),
                Also::Conflict => (409, shared("Conflict")),
                Also::TooMany => (429, shared("TooMany")),
                Also::Busy => (503, shared("Busy")),
                Also::ConflictIf(words) => (409, self.answer::<ErrorReply>(route, words, "409")),
                Also::Fault(words) => (500, self.answer::<ErrorReply>(route, words, "500")),
                Also::NotReady(words) => (503, self.answer::<E::Reply>(route, words, "503")),
            };
            answers.insert(status, answer);
        }
        let done = match &*E::Reply::name() {
            "Nothing" => map([("description", text_of(route.done))]),
            "File" => file(route),
            _ => {
                self.schema::<E::Reply>();
                self.answer::<E::Reply>(route, route.done, "reply")
            }
        };
        answers.insert(route.status, done);
        Node::Map(
            answers
                .into_iter()
                .map(|(status, answer)| (status.to_string(), answer))
                .collect(),
        )
    }

    /// An answer in JSON.
    fn answer<T: ToSchema + Serialize + DeserializeOwned>(
        &self,
        route: &Route,
        words: &str,
        example: &str,
    ) -> Node {
        let mut answer = vec![member("description", text_of(words))];
        if route.operation == Operation::SignIn && example == "reply" {
            let header = header("Set-Cookie", "The session cookie.");
            answer.push(member("headers", header));
        }
        let example = self.example::<T>(route, example);
        answer.push(member("content", json(&T::name(), example)));
        Node::Map(answer)
    }

    /// An operation's example, read as its type and written as that writes it.
    fn example<T: Serialize + DeserializeOwned>(&self, route: &Route, which: &str) -> Node {
        let place = format!("examples.yaml: {}.{which}", route.operation.id());
        let examples = self.examples.get(route.operation.id());
        let example = examples
            .and_then(|examples| examples.get(which))
            .unwrap_or_else(|| panic!("{place} is missing"));
        let json = serde_json::to_string(example).unwrap();
        let value: T = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{place}: {e}"));
        let written = Node::of(&value);
        assert_eq!(&written, example, "{place} is not as its type writes it");
        written
    }

    /// Takes in a type and those that it refers to.
    fn schema<T: ToSchema>(&mut self) {
        let mut found: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        for (name, schema) in found {
            if !self.schemas.iter().any(|(known, _)| *known == name) {
                self.schemas.push((name, plain(Node::of(&schema))));
            }
        }
    }
}

fn is_some<T: ToSchema>() -> bool {
    T::name() != "Nothing"
}

fn json(name: &str, example: Node) -> Node {
    let media = map([("schema", reference("schemas", name)), ("example", example)]);
    map([("application/json", media)])
}

fn header(name: &str, words: &str) -> Node {
    let header = map([
        ("description", text_of(words)),
        ("schema", map([("type", text_of("string"))])),
    ]);
    map([(name, header)])
}

/// The answers that are no JSON.
fn file(route: &Route) -> Node {
    let string = || map([("type", text_of("string"))]);
    let media = |kind, schema| map([(kind, map([("schema", schema)]))]);
    let mut answer = vec![member("description", text_of(route.done))];
    let content = match route.operation {
        Operation::ShowOpenApi => {
            let schema = map([
                ("type", text_of("object")),
                ("description", text_of("OpenAPI 3.1.")),
            ]);
            media("application/yaml", schema)
        }
        Operation::ShowMetrics => media("text/plain", string()),
        Operation::DownloadCertificate => {
            let header = header("Content-Disposition", "The file name.");
            answer.push(member("headers", header));
            let der = map([("type", text_of("string")), ("format", text_of("binary"))]);
            map([
                ("application/x-pem-file", map([("schema", string())])),
                ("application/pkix-cert", map([("schema", der)])),
            ])
        }
        other => panic!("{other:?} gives a file: say here of which media type"),
    };
    answer.push(member("content", content));
    Node::Map(answer)
}

/// What an operation is called by where that is not what the whole document says.
fn security(route: &Route) -> Option<Node> {
    let by = |names: &[&str]| {
        let needed = names
            .iter()
            .map(|name| member(name, Node::List(Vec::new())));
        Node::Map(needed.collect())
    };
    match (route.permission, route.operation) {
        (Permission::Public, _) => Some(Node::List(Vec::new())),
        (Permission::Metrics, _) => Some(Node::List(vec![by(&[]), by(&["token"])])),
        // A bearer token has no session.
        (_, Operation::ShowSession) => Some(Node::List(vec![by(&["session"])])),
        (_, Operation::SignOut) => Some(Node::List(vec![by(&["session", "csrf"])])),
        _ => None,
    }
}

fn tag(tag: Tag) -> &'static str {
    match tag {
        Tag::Session => "Session",
        Tag::Scep => "SCEP",
        Tag::Certificates => "Certificates",
        Tag::Audit => "Audit",
        Tag::Challenges => "Challenges",
        Tag::Tokens => "Tokens",
        Tag::Server => "Server",
    }
}

/// The parameters in a path, as `frame.yaml` names them.
fn in_path(route: &Route) -> impl Iterator<Item = &'static str> {
    let names = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let tag = route.tag;
    names.map(move |name| match (name, tag) {
        ("issuer_id", _) => "IssuerId",
        ("serial", _) => "Serial",
        ("id", Tag::Scep) => "RequestId",
        ("id", Tag::Tokens) => "TokenId",
        ("id", Tag::Challenges) => "ChallengeId",
        other => panic!("{other:?}: describe it in frame.yaml and name it here"),
    })
}

/// A parameter of a query. Those that are given and empty count as absent.
fn parameter(parameter: Node) -> Node {
    let Node::Map(members) = parameter else {
        panic!("a parameter is a map");
    };
    let mut members: Vec<(String, Node)> = members
        .into_iter()
        .filter(|(name, _)| name != "required")
        .map(|(name, node)| match &*name {
            "schema" => (name, plain(node)),
            "description" => (name, described(node)),
            _ => (name, node),
        })
        .collect();
    let schema = members.iter().find(|(name, _)| name == "schema");
    let is_text =
        |schema: &Node| schema.keys() == ["type"] && schema.at(&["type"]).text() == Some("string");
    if schema.is_some_and(|(_, schema)| !is_text(schema)) {
        members.push(member("allowEmptyValue", Node::Bool(true)));
    }
    Node::Map(members)
}

/// A schema without null: what is absent is left out.
fn plain(schema: Node) -> Node {
    match schema {
        Node::Map(members) => {
            let has_names = members.iter().any(|(name, _)| name == "properties");
            let mut kept = Vec::new();
            for (name, node) in members {
                match (&*name, node) {
                    // Keys are always text.
                    ("propertyNames", _) => {}
                    // Beside members with names these may be anything: TypeScript has no other way to say it.
                    ("additionalProperties", Node::Map(_)) if has_names => {
                        kept.push((name, Node::Bool(true)));
                    }
                    ("type", Node::List(kinds)) => {
                        let kind = kinds.into_iter().find(|kind| kind.text() != Some("null"));
                        kept.extend(kind.map(|kind| (name, kind)));
                    }
                    ("oneOf", Node::List(either)) => {
                        let is_null =
                            |one: &Node| one.get("type").and_then(Node::text) == Some("null");
                        let one = either.into_iter().find(|one| !is_null(one));
                        if let Some(Node::Map(members)) = one.map(plain) {
                            kept.extend(members);
                        }
                    }
                    ("description", words) => kept.push((name, described(words))),
                    (_, node) => kept.push((name, plain(node))),
                }
            }
            Node::Map(kept)
        }
        Node::List(items) => Node::List(items.into_iter().map(plain).collect()),
        leaf => leaf,
    }
}

fn described(words: Node) -> Node {
    match words {
        Node::Text(words) => Node::Text(paragraphs(&words)),
        // A member with this name.
        other => plain(other),
    }
}

/// Lines of a comment as paragraphs.
fn paragraphs(words: &str) -> String {
    let mut all: Vec<String> = vec![String::new()];
    for line in words.lines().map(str::trim) {
        match all.last_mut() {
            Some(last) if !line.is_empty() => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
            _ => all.push(String::new()),
        }
    }
    all.retain(|paragraph| !paragraph.is_empty());
    all.join("\n\n")
}
