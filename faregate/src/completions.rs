//! `faregate completions SHELL`: what a shell needs to complete our commands, those of the management API included.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::cli;
use crate::output::{Verdict, print_text};

/// For whom.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// bash, elvish, fish, powershell or zsh.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn execute(arguments: &Arguments) -> Verdict {
    let mut script = Vec::new();
    generate(arguments.shell, &mut cli::command(), "faregate", &mut script);
    print_text(String::from_utf8_lossy(&script).trim_end());
    Verdict::Yes
}
