//! The OpenAPI document: what the handlers' attributes say, completed with what holds for every call.

use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema, schema::Type,
};

use super::operations::SCHEME;
use crate::problem::ProblemView;

/// What is about one agent.
const AGENT: &str = "/v1/agents/{id}";

/// The document's head; paths come from the routers.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Faregate management API",
        description = "Providers, routes and prices, agents, wallets and policies, payments, settlements, webhooks. Problems are \
                       `application/problem+json` with a stable `code` (RFC 9457). Every POST takes an `Idempotency-Key`; those \
                       that move money demand one. Lists answer a page as JSON, or all of it as CSV for `Accept: text/csv`."
    ),
    components(schemas(ProblemView))
)]
struct Head;

/// The head, to which the routers add their paths.
pub(crate) fn head() -> OpenApi {
    Head::openapi()
}

/// Adds what every operation has: the key that opens it, the problem it may answer with, and for a POST its name.
pub(crate) fn complete(document: &mut OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The administrator's token, or a key of the management API (`fgm_...`). The scope that a call demands stands in its \
         `security`.",
    ));
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(SCHEME.to_owned(), RefOr::T(SecurityScheme::Http(scheme.build())));
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_problem(operation);
            if path.starts_with(AGENT) {
                name_agent(operation);
            }
        }
        if let Some(operation) = item.post.as_mut().filter(|operation| !is_open(operation)) {
            add_name(operation);
        }
    }
}

/// Whether it says that it needs no key. What says nothing is closed to all.
fn is_open(operation: &Operation) -> bool {
    operation.security.as_deref() == Some(&[SecurityRequirement::default()])
}

fn add_problem(operation: &mut Operation) {
    let schema = RefOr::Ref(Ref::from_schema_name("ProblemView"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new()
        .description("A problem; nothing was changed unless its `code` is `timeout`.")
        .content("application/problem+json", content);
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response.build()));
}

fn name_agent(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
            && parameter.name == "id"
        {
            parameter.description = Some("The agent's id or name".to_owned());
        }
    }
}

fn add_name(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let is_name = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(known) if known.name == "Idempotency-Key");
    if parameters.iter().any(is_name) {
        return;
    }
    let text = Schema::Object(ObjectBuilder::new().schema_type(Type::String).build());
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Your name for this call: repeated under the same name it is not made again."))
        .schema(Some(text));
    parameters.push(RefOr::T(parameter.build()));
}
