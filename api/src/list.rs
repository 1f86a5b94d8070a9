//! Paged lists.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Rows on a page when the caller does not say.
pub const DEFAULT_PER_PAGE: u32 = 50;
/// The most rows that one page may hold; asking for more is a 400.
pub const MAX_PER_PAGE: u32 = 500;

/// One page of a longer list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The rows of this page; `[]` past the end.
    pub data: Vec<T>,
    /// How many rows all pages hold together.
    pub total: u64,
    /// This page's number, from 1.
    pub page: u32,
    /// Rows on a page, 1 to [`MAX_PER_PAGE`].
    pub per_page: u32,
}

/// What a [`List`] may hold.
pub trait Row: ToSchema {
    /// What the OpenAPI document calls a list of them.
    const LIST: &'static str;
    /// What a page holds, in words.
    const ROWS: &'static str;
}

impl Row for crate::PendingRequest {
    const LIST: &'static str = "PendingRequestList";
    const ROWS: &'static str = "requests that wait for approval";
}

impl Row for crate::Certificate {
    const LIST: &'static str = "CertificateList";
    const ROWS: &'static str = "certificates";
}

impl Row for crate::AuditEvent {
    const LIST: &'static str = "AuditEventList";
    const ROWS: &'static str = "audit events";
}

impl<T: Row> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let number = |format, least: Option<u64>, words: &str| {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(format)))
                .minimum(least)
                .description(Some(words))
        };
        let rows = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("The rows of this page."));
        let per_page =
            number(KnownFormat::Int32, Some(1), "Rows on a page.").maximum(Some(MAX_PER_PAGE));
        ObjectBuilder::new()
            .description(Some(format!("One page of {}.", T::ROWS)))
            .property("data", rows)
            .property(
                "total",
                number(
                    KnownFormat::Int64,
                    Some(0),
                    "How many rows all pages hold together.",
                ),
            )
            .property(
                "page",
                number(KnownFormat::Int32, Some(1), "This page's number, from 1."),
            )
            .property("per_page", per_page)
            .required("data")
            .required("total")
            .required("page")
            .required("per_page")
            .into()
    }
}

impl<T: Row> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        T::LIST.into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}
