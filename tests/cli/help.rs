//! Help, completions and man pages.

use std::process::Command;

use super::{COMMANDS, Desk};

#[test]
fn every_command_explains_itself_with_examples_and_exit_codes() {
    let desk = Desk::new();
    let all = desk.run(&["--help"]);
    assert_eq!(all.code, 0);
    for name in COMMANDS {
        assert!(
            all.out.contains(&format!("\n  {name}")),
            "{name} is not in --help"
        );
        for args in [[name, "--help"], ["help", name]] {
            let help = desk.run(&args);
            assert_eq!((help.code, help.err.as_str()), (0, ""));
            for words in [
                "Examples:",
                &format!("lifeboat {name}"),
                "Exit codes:",
                "Usage:",
            ] {
                assert!(help.out.contains(words), "{words} is not in: {}", help.out);
            }
            assert!(help.out.contains("3  done, with findings"));
        }
    }
    for words in ["LIFEBOAT_CONFIG", "\"ok\": true", "seconds_left", "130"] {
        assert!(all.out.contains(words), "{words}");
    }
}

#[test]
fn no_argument_is_answered_with_the_commands() {
    let ran = Desk::new().run(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("Commands:") && ran.err.contains("restore"));
}

#[test]
fn every_option_has_a_description() {
    fn look(command: &clap::Command) {
        for arg in command.get_arguments() {
            assert!(
                arg.get_help().is_some(),
                "{} {}",
                command.get_name(),
                arg.get_id()
            );
        }
        command.get_subcommands().for_each(look);
    }
    let mut definition = lifeboat::testing::cli::definition();
    definition.build();
    definition.clone().debug_assert();
    look(&definition);
}

#[test]
fn completions_are_sound_scripts() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = desk.run(&["completions", shell]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(
            ran.out.contains("restore") && !ran.out.contains("\\t\\t"),
            "{shell}"
        );
        desk.write("script", &ran.out);
        // Only bash is sure to be here.
        let parsed = Command::new(shell)
            .arg("-n")
            .arg(desk.path().join("script"))
            .output();
        match parsed {
            Ok(parsed) => assert!(
                parsed.status.success() && parsed.stderr.is_empty(),
                "{shell}"
            ),
            Err(why) => assert_ne!(shell, "bash", "{why}"),
        }
    }
    let ran = desk.run(&["completions", "cmd.exe"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn man_pages_cover_every_command() {
    let desk = Desk::new();
    let ran = desk.run(&["man", "new/man1"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let folder = desk.path().join("new/man1");
    for page in COMMANDS.map(|name| format!("lifeboat-{name}.1")) {
        let page = folder.join(page);
        let roff = std::fs::read_to_string(&page).unwrap();
        for words in [".TH lifeboat", "Examples:", "Exit codes:"] {
            assert!(roff.contains(words), "{words} is not in {}", page.display());
        }
        let shown = Command::new("man")
            .args(["-l", "-Tascii", "--warnings"])
            .arg(&page)
            .env("MANPAGER", "cat")
            .output();
        // Small systems have no man, or a stand-in that says so.
        if let Ok(shown) = shown
            && shown.stdout.starts_with(b"lifeboat")
        {
            assert!(shown.status.success());
            assert_eq!(String::from_utf8_lossy(&shown.stderr), "");
        }
    }
    assert!(folder.join("lifeboat.1").exists());
    desk.write("file", "");
    let ran = desk.run(&["man", "file"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("error: cannot write man pages into file"),
        "{}",
        ran.err
    );
}
