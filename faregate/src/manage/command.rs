//! Commands made from operations.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command};

use super::operation::{self, Argument, Kind, Member, Operation};
use super::{prove, setup};
use crate::token;

/// The verb of what lists all of a kind.
pub(super) const LIST: &str = "list";

/// The flag that names a file with the whole body.
pub(super) const WHOLE_BODY: &str = "whole-body";

/// The verb that writes such a list as CSV.
pub(super) const EXPORT: &str = "export";

/// Adds a command for each thing that the API knows, with a command for each call below it.
pub(crate) fn add_to(cli: Command) -> Command {
    let mut nouns: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for operation in operation::all() {
        nouns.entry(operation.noun.clone()).or_default().push(operation);
    }
    let commands = nouns.into_iter().map(|(noun, operations)| {
        let verbs = operations.iter().map(verb);
        let export = export(&operations);
        let prove = (noun == prove::NOUN).then(prove::command);
        let command = Command::new(noun).subcommand_required(true).arg_required_else_help(true);
        let command = command.subcommands(verbs).subcommands(export).subcommands(prove);
        let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        let about = format!("Over the management API: {}", names.join(", "));
        command.about(about)
    });
    cli.subcommands(commands).subcommands(setup::commands())
}

/// The list of all, as a file.
fn export(operations: &[Operation]) -> Option<Command> {
    let named = |name: &str| operations.iter().find(|operation| operation.verb == name);
    let list = named(LIST).filter(|list| list.is_list && named(EXPORT).is_none())?;
    Some(verb(list).name(EXPORT).about("Write the list as CSV, all of it"))
}

fn verb(operation: &Operation) -> Command {
    let arguments = operation.arguments.iter().map(|Argument { name, about }| {
        let argument = Arg::new(format!("path:{name}")).help(about.clone());
        argument.value_name(name.to_uppercase().replace('-', "_")).required(true)
    });
    let query = operation.query.iter().filter(|parameter| !is_internal(parameter));
    let query = query.map(|parameter| flag("query", parameter).required(parameter.required));
    let body = operation.body.iter().flatten().map(|member| {
        let flag = flag("body", member);
        if member.required { flag.required_unless_present(WHOLE_BODY) } else { flag }
    });
    let command = Command::new(operation.verb.clone()).about(operation.about.clone());
    let command = common(command.args(arguments).args(query).args(body));
    let command = command.arg(field());
    let command = if operation.is_list { command.args(of_lists()) } else { command };
    let command = if operation.method == "GET" {
        command
    } else {
        command.args(of_changes(&operation.method, operation.tries()))
    };
    if operation.body.is_some() { command.arg(whole_body()) } else { command }
}

/// `--dry-run` is a flag of every change.
fn is_internal(parameter: &Member) -> bool {
    parameter.name == "dry_run"
}

fn flag(place: &str, member: &Member) -> Arg {
    let long = member.name.replace('_', "-");
    let inside = member.inside.as_deref().unwrap_or_default();
    let reader = member.clone();
    let arg = Arg::new(format!("{place}:{inside}:{}", member.name))
        .long(long)
        .help(member.help())
        .value_parser(move |text: &str| reader.read(text));
    match member.kind {
        Kind::Text => arg.value_name("TEXT"),
        Kind::Number => arg.value_name("N").allow_negative_numbers(true),
        // `--enabled`, `--enabled=false`: a word behind a space is an argument.
        Kind::Flag => {
            arg.value_name("true|false").num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        Kind::Texts => arg.value_name("TEXT").action(ArgAction::Append).value_delimiter(','),
        Kind::Numbers => arg.value_name("N").action(ArgAction::Append).value_delimiter(','),
        Kind::Json => arg.value_name("JSON"),
    }
}

pub(super) fn common(command: Command) -> Command {
    command
        .next_help_heading("The management API")
        .arg(
            Arg::new("api")
                .long("api")
                .value_name("URL")
                .env("FAREGATE_URL")
                .help("Where it is; http://127.0.0.1:8403 where not given"),
        )
        .arg(Arg::new("token").long("token").value_name("TOKEN").help(token::HELP))
}

fn field() -> Arg {
    Arg::new("field").long("field").value_name("NAME").help(
        "Print this member alone, a nested one as a.b, as plain text for a script; of a list, a line a row",
    )
}

fn of_lists() -> [Arg; 3] {
    let all = Arg::new("all").long("all").action(ArgAction::SetTrue);
    let csv = Arg::new("csv").long("csv").action(ArgAction::SetTrue);
    let file = Arg::new("file").long("file").value_name("FILE");
    [
        all.help("Print all of it as a table, not a page"),
        csv.help("Write all of it as CSV, or so many lines as --limit says"),
        file.help("Write here what would be printed, when it is whole"),
    ]
}

/// `tries`: the API can try the call.
pub(super) fn of_changes(method: &str, tries: bool) -> Vec<Arg> {
    let dry_run = Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue).help(if tries {
        "Change nothing: say what would be changed"
    } else {
        "Send nothing: this call cannot be tried, and the command says so and fails"
    });
    let key = Arg::new("idempotency-key")
        .long("idempotency-key")
        .value_name("TEXT")
        .help("Your name for this call: repeated under the same name it is not made again");
    if method == "POST" { vec![dry_run, key] } else { vec![dry_run] }
}

fn whole_body() -> Arg {
    Arg::new(WHOLE_BODY)
        .long("body")
        .value_name("FILE")
        .help("Read the body from a JSON or TOML file, or - for standard input; flags stand above it")
}
