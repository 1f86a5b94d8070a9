//! Members that have one value only.

use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

fn constant(kind: Type, value: impl Into<Value>, description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(kind)
        .enum_values(Some([value.into()]))
        .description(Some(description))
        .build()
}

pub(crate) fn authenticated() -> Object {
    let words = "Always `authenticated`: anything else is a 401.";
    constant(Type::String, "authenticated", words)
}

pub(crate) fn scepd() -> Object {
    constant(Type::String, "scepd", "Always `scepd`.")
}

pub(crate) fn ok() -> Object {
    constant(Type::String, "ok", "Always `ok`.")
}

pub(crate) fn yes() -> Object {
    let words = "Always true: a failure is an error reply.";
    constant(Type::Boolean, true, words)
}
