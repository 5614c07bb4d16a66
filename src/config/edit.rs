//! Adding a recipient to a configuration file: the rest of it stays, byte for byte.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use toml_edit::{Document, Table, value};

use super::settings::Config;
use crate::durable::{folder_of, sync_folder};
use crate::error::{Error, Result, ResultExt};
use crate::model::keys::Recipient;

/// A file that can be changed: all that can fail was tried before there is something to lose.
pub(crate) struct Edit {
    file: PathBuf,
    text: String,
    config: Config,
    /// Beside the file, with its mode and owner.
    replacement: NamedTempFile,
}

impl Edit {
    /// Refuses a file that could not be replaced.
    pub(crate) fn prepare(file: &Path) -> Result<Self> {
        // A link stays one: what it names is replaced.
        let real = fs::canonicalize(file).context(|| file.display().to_string())?;
        let cannot = || format!("{} cannot be changed", real.display());
        let text = fs::read_to_string(&real).context(cannot)?;
        let config = Config::parse(&text, file)?;
        let old = fs::metadata(&real).context(cannot)?;
        if old.permissions().readonly() {
            return Err(
                Error::refused(cannot()).hint("it is read-only: chmod u+w, or work on a copy")
            );
        }
        let replacement = tempfile::Builder::new()
            .prefix(".lifeboat-")
            .tempfile_in(folder_of(&real))
            .context(cannot)?;
        let at = replacement.as_file();
        at.set_permissions(old.permissions()).context(cannot)?;
        let made = at.metadata().context(cannot)?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            fchown(at, Some(old.uid()), Some(old.gid())).map_err(|why| {
                Error::refused(cannot())
                    .because(why)
                    .hint("it belongs to another user: run this as that user")
            })?;
        }
        Ok(Self {
            file: real,
            text,
            config,
            replacement,
        })
    }

    /// Writes the file anew with one recipient more, whole or not at all.
    pub(crate) fn add_recipient(mut self, recipient: &Recipient) -> Result<()> {
        let file = self.file.clone();
        let cannot = || format!("cannot write {}", file.display());
        let text = with_recipient(&self.text, recipient);
        self.check(&text, recipient)?;
        self.replacement
            .write_all(text.as_bytes())
            .context(cannot)?;
        self.replacement.as_file().sync_all().context(cannot)?;
        if fs::read(&self.file).context(cannot)? != self.text.as_bytes() {
            return Err(Error::refused(format!(
                "{} was changed by somebody else meanwhile; it is as they left it",
                self.file.display()
            ))
            .hint("run the command again"));
        }
        self.replacement
            .persist(&self.file)
            .map_err(|why| why.error)
            .context(cannot)?;
        sync_folder(folder_of(&self.file)).context(cannot)
    }

    /// The new text must mean what the old one meant, and one recipient.
    fn check(&self, text: &str, recipient: &Recipient) -> Result<()> {
        let mut expected = self.config.clone();
        expected.recipients.push(recipient.clone());
        match Config::parse(text, &self.config.file) {
            Ok(config) if config == expected => Ok(()),
            _ => Err(Error::refused(format!(
                "{} is written in a way that no [[recipient]] can be added to",
                self.file.display()
            ))
            .hint("write its recipients as [[recipient]] tables, and run the command again")),
        }
    }
}

/// Behind the last recipient with its comments; in a file without any, at the end. Only the new
/// table is written by `toml_edit`: a whole file would lose its CRLF, and comments would move.
fn with_recipient(text: &str, recipient: &Recipient) -> String {
    let at = last_recipient(text).map_or(text.len(), |end| behind_block(text, end));
    let (before, after) = text.split_at(at);
    let ended = before.is_empty() || before.ends_with('\n');
    let line_break = if ended { "" } else { "\n" };
    let mut new = format!("{line_break}\n[[recipient]]\n{}", table(recipient));
    if text.contains("\r\n") {
        new = new.replace('\n', "\r\n");
    }
    format!("{before}{new}{after}")
}

fn table(recipient: &Recipient) -> Table {
    let mut table = Table::new();
    table["name"] = value(&recipient.name);
    table["key"] = value(&recipient.key);
    if let Some(wrapped) = &recipient.wrapped {
        table["kms_key"] = value(&wrapped.kms_key);
        table["wrapped"] = value(&wrapped.ciphertext);
    }
    if let Some(mut key) = table.key_mut("kms_key") {
        (key.leaf_decor_mut()).set_prefix("# Its identity, which only this KMS key opens.\n");
    }
    table
}

/// Where the last value of the last `[[recipient]]` ends.
fn last_recipient(text: &str) -> Option<usize> {
    let document = Document::parse(text).ok()?;
    let last = document
        .get("recipient")?
        .as_array_of_tables()?
        .iter()
        .last()?;
    let ends = last.iter().filter_map(|(_, item)| Some(item.span()?.end));
    ends.max()
}

/// The beginning of the line behind this one and the comments that follow it; comments right above
/// the next table belong to that.
fn behind_block(text: &str, end: usize) -> usize {
    let line_behind = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.find('\n').map_or(text.len(), |at| from + at + 1)
    };
    let first = line_behind(end);
    let mut at = first;
    loop {
        let line = text.get(at..).unwrap_or_default();
        if line.starts_with('[') {
            return first;
        }
        if !line.starts_with('#') {
            return at;
        }
        at = line_behind(at);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;
    use crate::model::keys::Wrapped;

    const KEYS: [&str; 2] = [
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
        "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
    ];

    fn new() -> Recipient {
        Recipient {
            name: "a \"new\" one".to_owned(),
            key: KEYS[1].to_owned(),
            wrapped: Some(Wrapped {
                kms_key: "arn:aws:kms:eu-west-1:111122223333:key/1".to_owned(),
                ciphertext: "eA==".to_owned(),
            }),
        }
    }

    const BLOCK: &str = "[[recipient]]\nname = 'a \"new\" one'\nkey = \"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\"\n\
        # Its identity, which only this KMS key opens.\n\
        kms_key = \"arn:aws:kms:eu-west-1:111122223333:key/1\"\nwrapped = \"eA==\"\n";

    #[test]
    fn the_rest_of_the_file_stays() {
        let old = format!("[[recipient]]\nname = 'a'\nkey = '{}' # x", KEYS[0]);
        for (before, after) in [
            ("", ""),
            ("# nothing yet\n", ""),
            ("[repository]\nurl = 'x' # no line break", ""),
            (&format!("{old}\n"), "\n# two\n[[source]]\nname = 's'\n"),
            (&format!("{old}\n"), "# of sources\n[[source]]\n"),
            (&format!("{old}\n#kms_key = ''\n"), "\n[[source]]\n"),
            (&format!("{old}\n# end"), ""),
            (&old, ""),
        ] {
            let old = format!("{before}{after}");
            let text = with_recipient(&old, &new());
            let ended = before.is_empty() || before.ends_with('\n');
            let newline = if ended { "" } else { "\n" };
            let expected = format!("{before}{newline}\n{BLOCK}{after}");
            assert_eq!(text, expected);
            if old.contains('\n') {
                let crlf = |text: &str| text.replace('\n', "\r\n");
                assert_eq!(with_recipient(&crlf(&old), &new()), crlf(&expected));
            }
        }
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lifeboat.toml");
        let link = folder.path().join("link.toml");
        let old = format!(
            "# mine\n[repository]\nurl = 'b'\n[[recipient]]\nname = 'a'\nkey = '{}'\n",
            KEYS[0]
        );
        fs::write(&file, &old).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();

        let meanwhile = Edit::prepare(&link).unwrap();
        Edit::prepare(&link).unwrap().add_recipient(&new()).unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            format!("{old}\n{BLOCK}")
        );
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let error = meanwhile.add_recipient(&new()).unwrap_err();
        assert!(error.to_string().contains("meanwhile"), "{error}");
        // A file that cannot be parsed, here with a recipient twice, stays as it is.
        assert!(Edit::prepare(&file).unwrap().add_recipient(&new()).is_err());
        let inline = "recipient = []\n[repository]\nurl = 'b'\n";
        fs::write(&file, inline).unwrap();
        let error = Edit::prepare(&file)
            .unwrap()
            .add_recipient(&new())
            .unwrap_err();
        assert!(error.to_string().contains("[[recipient]]"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), inline);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "nothing is left over"
        );
        fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
        assert!(Edit::prepare(&file).is_err());
    }
}
