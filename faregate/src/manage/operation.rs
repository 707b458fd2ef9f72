//! [`Operation`]: a call of the API as its document describes it.

use serde_json::Value;

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// What it is about: `wallet`.
    pub(super) noun: String,
    /// What it does: `fund`.
    pub(super) verb: String,
    /// Its method, in capitals.
    pub(super) method: String,
    /// Its path, with names in braces.
    pub(super) path: String,
    /// The sentence that describes it.
    pub(super) about: String,
    /// What stands in the path, in order.
    pub(super) arguments: Vec<Argument>,
    /// Parameters of the query.
    pub(super) query: Vec<Member>,
    /// Members of the body; none where it takes no body.
    pub(super) body: Option<Vec<Member>>,
    /// Whether it answers a list page by page.
    pub(super) is_list: bool,
    /// Whether it goes on answering: events as they come.
    pub(super) is_stream: bool,
}

/// A name in a path.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    /// As the path calls it.
    pub(super) name: String,
    /// What it is, and where it is found.
    pub(super) about: String,
}

/// A parameter, or a member of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// As the API calls it.
    pub(super) name: String,
    /// The member of the body that it stands in, where that is an object.
    pub(super) inside: Option<String>,
    /// What it is.
    pub(super) kind: Kind,
    /// Whether it must be there.
    pub(super) required: bool,
    /// Whether null takes it away: in a change of what is there.
    pub(super) nullable: bool,
    /// The sentence that describes it.
    pub(super) about: String,
}

/// How a value is written on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is.
    Text,
    /// A whole number.
    Number,
    /// True, or false.
    Flag,
    /// Several texts.
    Texts,
    /// Several whole numbers.
    Numbers,
    /// JSON.
    Json,
}

/// Every call of the API that has a name, in the document's order.
pub(super) fn all() -> Vec<Operation> {
    let document = serde_json::to_value(control_plane::control::openapi()).unwrap_or_default();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            operations.extend(read(&document, path, method, operation));
        }
    }
    operations
}

fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Option<Operation> {
    let (noun, verb) = operation["operationId"].as_str()?.split_once('.')?;
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let query = parameters.filter(|parameter| parameter["in"] == "query");
    let query: Vec<Member> = query.filter_map(|parameter| parameter_of(document, parameter)).collect();
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    let is_stream = operation.pointer("/responses/200/content/text~1event-stream").is_some();
    let about = operation["summary"].as_str().or_else(|| operation["description"].as_str());
    Some(Operation {
        noun: noun.to_owned(),
        verb: verb.to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        about: about.unwrap_or_default().trim_end_matches('.').to_owned(),
        arguments: arguments(document, path, operation),
        is_list: !is_stream
            && query.iter().any(|parameter| parameter.name == "after" || parameter.name == "limit"),
        is_stream,
        query,
        body: schema.map(|schema| members(document, resolve(document, schema), method == "patch")),
    })
}

/// What stands in a path is found in the list that the path before it is.
fn arguments(document: &Value, path: &str, operation: &Value) -> Vec<Argument> {
    let described = |name: &str| {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        let found = parameters.find(|parameter| parameter["in"] == "path" && parameter["name"] == name)?;
        Some(sentence(found)).filter(|about| !about.is_empty())
    };
    let places = path.match_indices("/{");
    let argument = |(end, _): (usize, &str)| {
        let (list, rest) = (path.get(..end)?, path.get(end..)?);
        let name = rest.trim_start_matches("/{").split('}').next()?;
        let things = list.rsplit('/').next()?;
        let thing = things.strip_suffix('s').unwrap_or(things).replace('-', " ");
        let what = described(name).unwrap_or_else(|| match name {
            "id" | "name" => format!("The {thing}'s {name}"),
            _ if *name == *thing => format!("The {thing}'s id"),
            _ => format!("The {name}"),
        });
        let found = document["paths"][list]["get"]["operationId"].as_str().map(|call| call.replace('.', " "));
        let found = found.map(|call| format!(", as in `faregate {call}`")).unwrap_or_default();
        Some(Argument { name: name.to_owned(), about: what + &found })
    };
    places.filter_map(argument).collect()
}

fn parameter_of(document: &Value, parameter: &Value) -> Option<Member> {
    Some(Member {
        name: parameter["name"].as_str()?.to_owned(),
        inside: None,
        kind: kind(document, &parameter["schema"]),
        required: parameter["required"] == Value::Bool(true),
        nullable: false,
        about: sentence(parameter),
    })
}

/// The members of an object; those of an object in it stand beside them where no name is taken. What a `patch` takes may be
/// null where its schema says so: elsewhere null is no more than not given.
fn members(document: &Value, schema: &Value, patch: bool) -> Vec<Member> {
    let required = |name: &str| {
        let mut listed = schema["required"].as_array().into_iter().flatten();
        listed.any(|listed| listed == name)
    };
    let mut found: Vec<Member> = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let inner = resolve(document, property);
        if inner["properties"].is_object() {
            let taken = |member: &Member| schema["properties"].get(&member.name).is_some();
            let members = members(document, inner, patch).into_iter().filter(|member| !taken(member));
            let place = |member: Member| Member {
                inside: Some(name.clone()),
                required: required(name) && member.required,
                ..member
            };
            found.extend(members.filter(|member| member.inside.is_none()).map(place));
            continue;
        }
        found.push(Member {
            name: name.clone(),
            inside: None,
            kind: kind(document, property),
            required: required(name),
            nullable: patch && may_be_null(property),
            about: sentence(property),
        });
    }
    found
}

/// Whether a schema is of this type, or of this one among others.
fn is(schema: &Value, name: &str) -> bool {
    schema["type"] == name
        || schema["type"].as_array().is_some_and(|types| types.iter().any(|known| known == name))
}

fn may_be_null(schema: &Value) -> bool {
    is(schema, "null") || schema["oneOf"].as_array().into_iter().flatten().any(may_be_null)
}

fn kind(document: &Value, schema: &Value) -> Kind {
    let schema = resolve(document, schema);
    let is = |name: &str| is(schema, name);
    let items = resolve(document, &schema["items"]);
    if is("boolean") {
        Kind::Flag
    } else if is("integer") {
        Kind::Number
    } else if is("string") {
        Kind::Text
    } else if is("array") && items["type"] == "string" {
        Kind::Texts
    } else if is("array") && items["type"] == "integer" {
        Kind::Numbers
    } else {
        Kind::Json
    }
}

/// A schema behind its reference, and without "or null".
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#')) {
        return document.pointer(name).map_or(&Value::Null, |found| resolve(document, found));
    }
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    let mut some = choices.filter(|choice| choice["type"] != "null");
    match (some.next(), some.next()) {
        (Some(only), None) => resolve(document, only),
        _ => schema,
    }
}

// === impl Operation ===

impl Operation {
    /// Whether the API itself can try the call without making it.
    pub(super) fn tries(&self) -> bool {
        self.query.iter().any(|parameter| parameter.name == "dry_run")
    }

    /// What an answer in which nothing stands means.
    pub(super) fn nothing(&self) -> &'static str {
        match (&*self.noun, &*self.method) {
            ("policy", _) => "no limits",
            (_, "GET") => "nothing is set",
            _ => "done",
        }
    }
}

// === impl Member ===

impl Member {
    /// What stands behind its flag, as the API takes it; of several values, one.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn read(&self, text: &str) -> Result<Value, String> {
        if self.nullable && text == "null" {
            return Ok(Value::Null);
        }
        match self.kind {
            Kind::Text | Kind::Texts => Ok(Value::from(text)),
            Kind::Number | Kind::Numbers => {
                let number = text.parse::<i64>();
                number.map(Value::from).map_err(|_| "write a whole number".to_owned())
            }
            Kind::Flag => {
                let flag = text.parse::<bool>();
                flag.map(Value::from).map_err(|_| "write true or false".to_owned())
            }
            Kind::Json => serde_json::from_str(text).map_err(|error| format!("write JSON ({error})")),
        }
    }

    /// What its help says: what it is, and how it is written where that is not plain.
    pub(super) fn help(&self) -> String {
        let several = match self.kind {
            Kind::Texts | Kind::Numbers => "; repeat it for more, or write commas between them",
            Kind::Text | Kind::Number | Kind::Flag | Kind::Json => "",
        };
        let null = if self.nullable { "; null takes it away" } else { "" };
        format!("{}{several}{null}", self.about)
    }
}

fn sentence(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().trim_end_matches('.').to_owned()
}
