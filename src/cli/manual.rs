//! `backstay completion` and `backstay man`: the command line, told to shells and to man.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueEnum};

use super::order::{internal, invalid};
use super::output;
use crate::worker::failure::Failure;

/// The name of the command.
const NAME: &str = "backstay";

/// Print what makes a shell complete commands and options.
#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, or write one for each command.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Where the pages are written, such as /usr/local/share/man/man1. It is made if it is not
    /// there. Default: the first page alone, to standard output.
    directory: Option<PathBuf>,
}

/// A shell whose completion is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn completion(args: &CompletionArgs, mut command: Command) -> Result<u8, Failure> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    print(script)
}

pub(super) fn man(args: &ManArgs, command: Command) -> Result<u8, Failure> {
    let Some(directory) = &args.directory else {
        return print(render(command)?);
    };
    write_pages(directory, command)
        .map_err(|error| invalid(format!("write pages to {}: {error}", directory.display())))?;
    Ok(0)
}

/// One page for the command, and one for each verb.
fn write_pages(directory: &Path, command: Command) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command.disable_help_subcommand(true), directory)
}

fn render(command: Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| internal(format!("render the manual page: {error}")))?;
    Ok(page)
}

fn print(text: Vec<u8>) -> Result<u8, Failure> {
    let text = String::from_utf8(text).map_err(|error| internal(error.to_string()))?;
    output::line(text.trim_end());
    Ok(0)
}
