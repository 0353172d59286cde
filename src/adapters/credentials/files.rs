//! A mounted Secret, and token files.

use std::io;
use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials as Keys;

use super::CredentialsError;
use crate::adapters::clock;

/// How long keys are used before the files are read again. The kubelet brings a changed Secret
/// into the pod within about two minutes; whoever rotates keys leaves the old ones valid for
/// longer than these times together.
/// <https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod>
const REREAD_AFTER: Duration = Duration::from_mins(5);

/// Where the kubelet keeps the files that belong together; it is replaced in one step.
const SNAPSHOT: &str = "..data";

/// Reads the keys, all from the same version of the Secret. A mounted Secret is in memory, so this
/// does not keep a thread waiting.
pub(super) fn read(directory: &Path) -> Result<Keys, CredentialsError> {
    match read_once(directory) {
        // The Secret was replaced between two reads: its old version is gone as a whole.
        Err(CredentialsError::FileMissing { .. } | CredentialsError::SecretMissing { .. }) => {
            read_once(directory)
        }
        other => other,
    }
}

/// Reads a token, which an agent or the token service will want to see.
pub(super) fn read_token(path: &Path) -> Result<String, CredentialsError> {
    std::fs::read_to_string(path)
        .map(|token| token.trim().to_owned())
        .map_err(|source| CredentialsError::ReadFile {
            path: path.to_owned(),
            source,
        })
}

fn read_once(directory: &Path) -> Result<Keys, CredentialsError> {
    let snapshot = std::fs::canonicalize(directory.join(SNAPSHOT));
    let snapshot = snapshot.unwrap_or_else(|_| directory.to_owned());
    let value = |name: &'static str| read_value(&snapshot, name);
    let missing = |name| {
        let directory = directory.to_owned();
        if is_bare(&snapshot) {
            CredentialsError::SecretMissing { directory }
        } else {
            CredentialsError::FileMissing { name, directory }
        }
    };

    let access_key = value("AWS_ACCESS_KEY_ID")?.ok_or_else(|| missing("AWS_ACCESS_KEY_ID"))?;
    let secret_key =
        value("AWS_SECRET_ACCESS_KEY")?.ok_or_else(|| missing("AWS_SECRET_ACCESS_KEY"))?;
    let session_token = value("AWS_SESSION_TOKEN")?;
    let expiry = clock::now().checked_add(REREAD_AFTER).ok().map(Into::into);
    Ok(Keys::new(
        access_key,
        secret_key,
        session_token,
        expiry,
        "Secret",
    ))
}

/// Whether a directory holds nothing, or is not there.
fn is_bare(directory: &Path) -> bool {
    std::fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none())
}

/// A file's text without the white space around it, which editors and `echo` leave there; none
/// where there is no file or no text.
fn read_value(directory: &Path, name: &str) -> Result<Option<String>, CredentialsError> {
    let path = directory.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CredentialsError::ReadFile { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn secret(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, value) in files {
            fs::write(directory.path().join(name), value).unwrap();
        }
        directory
    }

    #[test]
    fn keys_are_read_without_the_white_space_around_them() {
        let secret = secret(&[
            ("AWS_ACCESS_KEY_ID", "id\n"),
            ("AWS_SECRET_ACCESS_KEY", " key "),
        ]);
        let keys = read(secret.path()).unwrap();
        assert_eq!(
            (keys.access_key_id(), keys.secret_access_key()),
            ("id", "key")
        );
        assert_eq!(keys.session_token(), None);
        assert!(
            keys.expiry().is_some(),
            "keys without expiry would never be read again"
        );
    }

    #[test]
    fn k15_the_key_that_a_secret_lacks_is_named() {
        let secret = secret(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "\n")]);
        let error = read(secret.path()).unwrap_err().to_string();
        assert!(error.contains("AWS_SECRET_ACCESS_KEY"), "{error}");
    }

    #[test]
    fn k15_a_secret_that_is_not_there_is_told_from_one_that_lacks_a_key() {
        let nothing = read(secret(&[]).path());
        assert!(matches!(
            nothing,
            Err(CredentialsError::SecretMissing { .. })
        ));
        let other = read(secret(&[("password", "x")]).path());
        assert!(matches!(
            other,
            Err(CredentialsError::FileMissing {
                name: "AWS_ACCESS_KEY_ID",
                ..
            })
        ));
    }

    #[test]
    fn all_keys_come_from_the_same_version_of_the_secret() {
        let mounted = tempfile::tempdir().unwrap();
        for (version, token) in [("..1", Some("old")), ("..2", None)] {
            let version = mounted.path().join(version);
            fs::create_dir(&version).unwrap();
            fs::write(version.join("AWS_ACCESS_KEY_ID"), "id").unwrap();
            fs::write(version.join("AWS_SECRET_ACCESS_KEY"), "key").unwrap();
            if let Some(token) = token {
                fs::write(version.join("AWS_SESSION_TOKEN"), token).unwrap();
            }
        }
        let point_to = |version: &str| {
            let link = mounted.path().join(SNAPSHOT);
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(version, link).unwrap();
        };
        point_to("..1");
        assert_eq!(read(mounted.path()).unwrap().session_token(), Some("old"));
        point_to("..2");
        assert_eq!(read(mounted.path()).unwrap().session_token(), None);
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = secret(&[
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
        ]);
        assert!(!format!("{:?}", read(secret.path()).unwrap()).contains("hush"));
    }
}
